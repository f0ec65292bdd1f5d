require ["vacation", "vacation-seconds"];
if header :contains "subject" "e" { vacation :seconds 3600 :subject "Out" :handle "h" "I am out"; }
else { vacation :days 2 :addresses ["a@example.test"] text:
Not here.
.
; }
