require ["duplicate", "imap4flags"];
if duplicate { addflag "seen"; }
if duplicate :handle "x" :header "subject" :seconds 60 { addflag "subject"; }
