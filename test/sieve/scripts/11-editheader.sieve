require ["editheader", "imap4flags", "relational", "comparator-i;ascii-numeric", "variables"];
addheader "X-One" "first";
addheader :last "X-One" "second";
if header :is "x-one" "second" { addflag "second"; }
deleteheader :index 1 "X-One";
if header :is "x-one" "first" { addflag "first"; }
if header :count "eq" :comparator "i;ascii-numeric" "x-one" "1" { addflag "one"; }
deleteheader :contains "Subject" "e";
if not exists "subject" { addflag "no-subject"; }
deleteheader "Received";
if exists "received" { addflag "received"; }
deleteheader :index 1 :last "X-Mailer";
if not exists "x-mailer" { addflag "no-mailer"; }
deleteheader :matches "List-Id" ["*<*>", "zzz"];
if exists "list-id" { addflag "list-id"; }
addheader "X-Two" "a=?b ${1} ü";
if header :contains "x-two" "ü" { addflag "two"; }
