require ["reject"];
if header :contains "subject" "e" { reject text:
No, thank you.
..dots
.
; }
