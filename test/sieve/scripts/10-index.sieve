require ["index", "imap4flags", "date"];
if header :index 1 :contains "received" "by" { addflag "r1"; }
if header :index 2 :contains "received" "localhost" { addflag "r2"; }
if header :index 1 :last :contains "received" "localhost" { addflag "rl1"; }
if header :index 3 :last :contains "received" "from" { addflag "rl3"; }
if address :index 1 :contains ["to", "cc"] "a" { addflag "a1"; }
if address :index 2 :contains ["to", "cc"] "a" { addflag "a2"; }
