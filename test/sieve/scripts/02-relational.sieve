require ["imap4flags", "relational", "comparator-i;ascii-numeric", "subaddress", "envelope"];
if header :count "gt" :comparator "i;ascii-numeric" "received" "3" { addflag "rcvd3"; }
if header :count "eq" :comparator "i;ascii-numeric" "received" "0" { addflag "rcvd0"; }
if header :count "ge" :comparator "i;ascii-numeric" ["from", "subject"] "2" { addflag "two"; }
if address :count "ge" :comparator "i;ascii-numeric" ["to", "cc"] "2" { addflag "many-to"; }
if address :count "eq" :comparator "i;ascii-numeric" ["to", "cc"] "1" { addflag "one-to"; }
if header :value "gt" "subject" "m" { addflag "subject-gt-m"; }
if header :value "le" "subject" "m" { addflag "subject-le-m"; }
if header :value "ge" :comparator "i;ascii-numeric" "x-priority" "3" { addflag "prio3"; }
if header :value "lt" :comparator "i;ascii-numeric" "x-priority" "3" { addflag "prio-lt3"; }
if header :value "ne" "precedence" "bulk" { addflag "not-bulk"; }
if header :value "eq" "precedence" "bulk" { addflag "bulk"; }
if header :is :comparator "i;ascii-numeric" "x-priority" "03" { addflag "prio-is3"; }
if address :user :is "to" "zzzz" { addflag "user"; }
if address :user :matches "to" "*" { addflag "user-any"; }
if address :detail :matches "to" "*" { addflag "detail-any"; }
if address :detail :contains ["to", "cc", "from", "sender", "reply-to"] "" { addflag "detail-some"; }
if envelope :detail :is "to" "tag" { addflag "env-detail"; }
if envelope :count "eq" :comparator "i;ascii-numeric" "from" "1" { addflag "env-count"; }
