require ["reject", "fileinto", "mailbox"];
if header :contains "subject" "e" { reject "no"; }
if header :contains "subject" "a" { fileinto :create "x"; }
