require ["imap4flags", "relational", "comparator-i;ascii-numeric"];
if address :contains ["from", "sender", "reply-to"] "@" { addflag "at"; }
if address :localpart :contains "from" "." { addflag "dot-local"; }
if address :domain :is ["from", "to"] ["netnoteinc.com", "example.com", "spamassassin.taint.org", "lists.sourceforge.net"] { addflag "domains"; }
if address :all :matches "to" "*@*.org" { addflag "org"; }
if address :count "gt" :comparator "i;ascii-numeric" "to" "0" { addflag "has-to"; }
if address :count "gt" :comparator "i;ascii-numeric" "cc" "1" { addflag "ccs"; }
if address :localpart :value "gt" "from" "m" { addflag "gt-m"; }
if address :contains "reply-to" "" { addflag "reply-to"; }
