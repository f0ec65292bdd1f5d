require ["body", "imap4flags", "relational", "comparator-i;ascii-numeric"];
if body :raw :contains "http" { addflag "raw-http"; }
if body :raw :contains "<html" { addflag "raw-html"; }
if body :contains "http://" { addflag "text-http"; }
if body :text :contains ["the", "und"] { addflag "text-the"; }
if body :content "text" :contains "click" { addflag "click"; }
if body :content "text/html" :contains "<td" { addflag "td"; }
if body :content "text/plain" :contains "unsubscribe" { addflag "unsub"; }
if body :content ["application", "image"] :contains "" { addflag "app-image"; }
if body :content "multipart" :contains "multi-part" { addflag "prologue"; }
if body :content "message/rfc822" :contains "received" { addflag "nested"; }
if not body :raw :contains "e" { addflag "no-e"; }
