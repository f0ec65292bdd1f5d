require ["imap4flags", "fileinto", "variables", "mailbox", "copy", "relational", "comparator-i;ascii-numeric"];
setflag ["\\Seen", "one two"];
addflag "three";
addflag ["ONE", "four"];
removeflag "two";
if hasflag "one" { addflag "has-one"; }
if hasflag ["zzz", "two"] { addflag "wrong"; }
if hasflag :contains "hre" { addflag "contains"; }
if hasflag :matches "*o*r" { addflag "matches"; }
if hasflag :count "ge" :comparator "i;ascii-numeric" "4" { addflag "count"; }
setflag "v" "a b";
addflag "v" ["c", "A"];
removeflag "v" "b";
if hasflag "v" ["c"] { addflag "v-c"; }
if hasflag ["v", "w"] ["b"] { addflag "v-b"; }
fileinto :copy :create :flags "${v}" "flagged";
if header :contains "subject" "re" { keep :flags ["\\Flagged"]; } else { fileinto :create "plain"; }
