require ["fileinto", "imap4flags", "envelope"];
if header :is "Subject" "" { addflag "empty-subject"; }
if header :contains "subject" "re" { addflag "s-re"; }
if header :contains ["subject", "from"] ["free", "offer", "list"] { addflag "s-words"; }
if header :matches "subject" "*[*]*" { addflag "s-brackets"; }
if header :matches "Subject" "re:*" { addflag "s-reply"; }
if header :matches "Subject" "?e?*" { addflag "s-q"; }
if header :comparator "i;octet" :contains "Subject" "RE" { addflag "s-RE"; }
if not exists "Message-ID" { addflag "no-id"; }
if exists ["From", "Date", "Subject"] { addflag "from-date-subject"; }
if exists "List-Id" { addflag "list"; }
if size :over 10K { addflag "over10k"; }
if size :under 2K { addflag "under2k"; }
if address :is "from" "deathtospamdeathtospamdeathtospam@example.com" { addflag "dts"; }
if address :domain :contains "from" "." { addflag "from-dot"; }
if address :domain :matches ["from", "reply-to"] "*.com" { addflag "from-com"; }
if address :localpart :matches ["to", "cc"] "*a*" { addflag "to-a"; }
if address :all :contains ["to", "cc", "bcc"] "list" { addflag "to-list"; }
if envelope :all :is "from" "joe@example.com" { addflag "env-from"; }
if envelope :localpart :is "to" "kim" { addflag "env-to"; }
if envelope :domain :contains ["from", "to"] "EXAMPLE" { addflag "env-domain"; }
if anyof (header :contains "received" "localhost", header :contains "x-mailer" "outlook") { addflag "any"; }
if allof (header :contains "received" "by", not header :contains "received" "zzz") { addflag "all"; }
if header :contains "received" "" { addflag "received"; }
if header :is "mime-version" "1.0" { addflag "mime"; }
if header :contains "content-type" "html" { addflag "html"; }
if header :contains "content-type" "charset" { addflag "charset"; }
if header :matches "from" "*<*@*>*" { addflag "from-angle"; }
if header :matches "from" "\"*\"*" { addflag "from-quoted"; }
if true { addflag "true"; } elsif true { addflag "never"; } else { addflag "never2"; }
if false { addflag "never3"; } else { addflag "else"; }
