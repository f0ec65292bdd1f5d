require ["fileinto", "copy", "mailbox", "envelope"];
if header :contains "subject" "a" { redirect "x@example.org"; redirect "x@EXAMPLE.org"; }
if header :contains "subject" "e" { redirect :copy "y@example.org"; }
if header :contains "from" "o" { fileinto :create "o"; fileinto :create "o"; }
if header :contains "from" "u" { fileinto :copy :create "u"; }
if size :under 1K { discard; }
if header :contains "subject" "q" { keep; discard; }
if address :domain :is "from" "example.com" { discard; stop; }
if header :contains "to" "z" { keep; keep; }
