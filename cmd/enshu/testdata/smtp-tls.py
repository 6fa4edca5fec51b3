# Python's smtplib: STARTTLS with the certificate checked, AUTH, one mail.
import smtplib, ssl, sys
s = smtplib.SMTP("ours.example.com", 587, timeout=30)
s.starttls(context=ssl.create_default_context(cafile=sys.argv[1]))
s.login("usera", "opensesame")
s.sendmail("usera@ours.example.com", ["usera@ours.example.com"], "Subject: by python over TLS\r\n\r\n.dots\r\n..\r\n")
s.quit()
print("sent")
