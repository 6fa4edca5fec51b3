# The other host: the real Postfix, and clients. Prints what is wrong.
peers=PEERS root=/root/pf
export PATH=$peers/usr/sbin:$peers/usr/bin:$PATH
echo 'postfix:x:89:89::/:/sbin/nologin' >> /etc/passwd
printf 'postfix:x:89:\npostdrop:x:90:\n' >> /etc/group
chmod 755 /root $peers/usr/sbin/post* # with setgid they would not find their libraries
mkdir -p $root
. /root/instance.sh
instance real 192.0.2.12 "
smtpd_tls_cert_file = /root/tls/real.example.pem
smtpd_tls_key_file = /root/tls/real.example.key
smtpd_tls_security_level = may
smtp_tls_security_level = verify
smtp_tls_CAfile = /root/tls/ca.pem
smtp_tls_loglevel = 1
smtp_host_lookup = native
relayhost = [ours.example.com]" > /root/instance.log 2>&1 || { echo "the real Postfix does not start:"; cat /root/instance.log $root/real/log; }
conf=$root/real/conf
# says COMMAND... TEXT: what the command prints has the text.
says() {
	local text=${*: -1} out
	out=$("${@:1:$#-1}" 2>&1)
	case $out in *"$text"*) ;; *) echo "${*:1:$#-1}: no '$text' in: $out" ;; esac
}
# The real Postfix sends, and checks our certificate.
for subject in "by real postfix" "by real postfix again"; do
	printf 'Subject: %s\n\nx\n.\n..\nFrom here\n' "$subject" | MAIL_CONFIG=$conf sendmail -C $conf -i -f usera@real.example usera@ours.example.com || echo "sendmail fails"
done
for i in $(seq 200); do [ "$(grep -c 'usera@ours.example.com.*status=sent' $root/real/log)" -ge 2 ] && break; sleep 0.1; done
says cat $root/real/log 'Verified TLS connection established to ours.example.com[192.0.2.11]:25'
says grep status= $root/real/log 'status=sent (250 2.0.0 Ok: queued as '
# Load, pipelined and not, in one connection and in several.
smtp-source -m 2 -s 2 -S "from smtp-source" -f usera@real.example -t usera@ours.example.com 192.0.2.11:25 || echo "smtp-source fails"
smtp-source -d -m 1 -S "from smtp-source" -f usera@real.example -t usera@ours.example.com 192.0.2.11:25 || echo "smtp-source -d fails"
# Clients.
echo x | s-nail -:/ -S v15-compat -S mta=smtp://192.0.2.11:25 -S smtp-auth=none -S from=usera@real.example -s "by real s-nail" usera@ours.example.com || echo "s-nail fails"
quiet() { "$@" > /root/out 2>&1 || { echo "$* fails:"; tail -5 /root/out; }; }
quiet swaks --server 192.0.2.11 --from usera@real.example --to usera@ours.example.com --header "Subject: by swaks"
quiet swaks --server 192.0.2.11 --from usera@real.example --to usera@ours.example.com --header "Subject: by swaks" --quit-after RCPT
says swaks --server 192.0.2.11 --from a@real.example --to b@elsewhere.example '554 5.7.1 <b@elsewhere.example>: Relay access denied'
export PERL5LIB=$(echo $peers/usr/lib/*/perl5/5.*)
tls="--tls-ca-path /root/tls/ca.pem --tls-verify"
quiet swaks --server ours.example.com $tls --tls --from usera@real.example --to usera@ours.example.com --header "Subject: by swaks over TLS"
for how in PLAIN LOGIN; do
	quiet swaks --server ours.example.com --port 587 $tls --tls --auth $how --auth-user usera --auth-password opensesame \
		--from usera@ours.example.com --to usera@ours.example.com --header "Subject: by ${how,,} over TLS"
	says swaks --server ours.example.com --port 587 $tls --tls --auth $how --auth-user usera --auth-password wrong --from usera@ours.example.com --to usera@ours.example.com '535 5.7.8 Error: authentication failed'
done
says swaks --server ours.example.com --port 587 --from a@b.example --to usera@ours.example.com '530 5.7.0 Must issue a STARTTLS command first'
says openssl s_client -brief -starttls smtp -connect ours.example.com:25 -CAfile /root/tls/ca.pem -verify_return_error -verify_hostname ours.example.com 'Verification: OK' < /dev/null
says python3 /root/smtp-tls.py /root/tls/ca.pem 'sent'
