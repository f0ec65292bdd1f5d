require ["date", "imap4flags", "relational", "comparator-i;ascii-numeric", "index"];
if date :originalzone :value "ge" "date" "hour" "12" { addflag "afternoon"; }
if date :zone "+0000" :value "ge" "date" "hour" "12" { addflag "afternoon-utc"; }
if date :zone "+0900" :is "date" "weekday" ["0", "6"] { addflag "weekend"; }
if date :zone "+0000" :matches "date" "iso8601" "*-0*-*T0?:*" { addflag "iso"; }
if date :zone "+0000" :matches "date" "iso8601" "2002-0*" { addflag "iso0"; }
if date :originalzone :contains "date" "std11" ["Mon", "Tue", "Wed"] { addflag "early-week"; }
if date :originalzone :is "date" "zone" ["+0000", "-0700"] { addflag "zone0"; }
if date :originalzone :contains "date" "zone" "-0" { addflag "west"; }
if date :zone "+0000" :value "ge" :comparator "i;ascii-numeric" "date" "julian" "52500" { addflag "julian"; }
if date :zone "-0330" :value "le" "date" "date" "2002-08-31" { addflag "old"; }
if date :zone "+0000" :value "lt" "date" "time" "09:00:00" { addflag "morning"; }
if date :zone "+0000" :is "date" "year" "2002" { addflag "y2002"; }
if date :zone "+0000" :is "date" "month" ["08", "09"] { addflag "m"; }
if date :zone "+0000" :value "le" :comparator "i;ascii-numeric" "date" "day" "15" { addflag "first-half"; }
if date :zone "+0000" :is "date" "minute" "00" { addflag "full-hour"; }
if date :zone "+0000" :value "gt" :comparator "i;ascii-numeric" "date" "second" "29" { addflag "sec"; }
if date :zone "+0000" :is "received" "year" "2002" { addflag "received-2002"; }
if date :index 1 :last :zone "+0000" :is "received" "year" "2002" { addflag "last-received-2002"; }
if currentdate :value "ge" "year" "2024" { addflag "now"; }
