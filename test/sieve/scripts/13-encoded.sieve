require ["encoded-character", "imap4flags", "variables"];
if header :contains "subject" "${hex: 52 65}" { addflag "re"; }
if header :contains "from" "${unicode:40}" { addflag "at"; }
if header :contains "subject" "${unicode: 20 AC}" { addflag "odd"; }
if header :contains "subject" "${hex:zz}" { addflag "zz"; }
set "d" "${hex:24}{x}";
set "x" "value";
if string :comparator "i;ascii-casemap" :is "${d}" "$${hex:7b}x}" { addflag "dollar"; }
if string :comparator "i;ascii-casemap" :is "${hex:c3 bc}" "ü" { addflag "u"; }
