require ["variables", "fileinto", "imap4flags", "mailbox", "relational", "comparator-i;ascii-numeric"];
set "n" "none";
if header :matches "subject" "*: *" { set "n" "${1}"; set "rest" "${2}"; }
elsif header :matches "subject" "* *" { set "n" "${2}"; }
set :lower :upperfirst "low" "${n}";
set :upper "up" "${n}";
set :length "len" "${n}";
set :quotewildcard "q" "*?\\${n}";
if string :comparator "i;ascii-casemap" :is "${low}" "Re" { addflag "low-re"; }
if string :comparator "i;ascii-casemap" :is "${up}" "RE" { addflag "up-re"; }
if string :value "gt" :comparator "i;ascii-numeric" "${len}" "4" { addflag "long"; }
if string :comparator "i;ascii-casemap" :matches "${rest}" "*a*e*" { set "m" "${1}+${2}+${3}"; addflag "m"; }
if string :comparator "i;ascii-casemap" :contains "${m}" "+" { addflag "plus"; }
if string :comparator "i;ascii-casemap" :matches "x*y" "${q}" { addflag "q"; }
if header :matches ["to", "cc"] "*@*" { set "to" "${0}"; }
if string :comparator "i;ascii-casemap" :contains "${to}" "list" { addflag "to-list"; }
if string :count "eq" :comparator "i;ascii-numeric" ["${n}", "${unset}", "x"] "2" { addflag "count2"; }
if string :is "${9}" "" { addflag "nine"; }
if header :matches "from" "*<*@*.*>*" { fileinto :create "from/${3}"; }
if header :matches "list-id" "*<*.*>*" { fileinto :create "lists/${2}"; stop; }
keep;
