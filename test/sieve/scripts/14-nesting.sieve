require ["fileinto", "mailbox", "imap4flags"];
# a comment
/* another
   one */
if anyof (not anyof (header :contains "subject" "e", false), allof (true, anyof (false, exists "list-id"))) {
  if header :contains "from" "a" {
    if size :over 100 { fileinto :create "a/b/c"; } else { discard; }
  } elsif header :contains "from" "e" {
    fileinto :create "e"; stop;
  } else { keep; }
  addflag "late";
}
