# Our host: a CA, a certificate of it for each host, Postfix with TLS and port 587.
# Prints a tar archive of the CA's certificate and the other host's key.
set -e
exec 3>&1 > /root/setup.log 2>&1
unset LD_LIBRARY_PATH
mkdir -p /root/ca && cd /root/ca
printf '[req]\ndistinguished_name=dn\nx509_extensions=ca\n[dn]\n[ca]\nbasicConstraints=critical,CA:true\nsubjectKeyIdentifier=hash\n' > openssl.cnf
export OPENSSL_CONF=$PWD/openssl.cnf
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -subj '/CN=Lab CA' -days 3650
for name in ours.example.com real.example; do
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $name.key -out $name.csr -subj "/CN=$name"
	echo "subjectAltName=DNS:$name" > ext
	openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile ext -out $name.pem
done
mkdir -p /etc/pki/tls/certs /etc/pki/tls/private
cp ours.example.com.pem /etc/pki/tls/certs/postfix.pem
cp ours.example.com.key /etc/pki/tls/private/postfix.key
cp ca.pem /etc/postfix/ca.pem
printf 'usera:opensesame\n' | chpasswd
postconf -e 'inet_interfaces = all' 'smtpd_tls_security_level = may' \
	'smtpd_tls_cert_file = /etc/pki/tls/certs/postfix.pem' 'smtpd_tls_key_file = /etc/pki/tls/private/postfix.key' 'smtp_tls_security_level = verify' 'smtp_tls_loglevel = 1' 'smtp_host_lookup = native' \
	'smtp_tls_CAfile = /etc/postfix/ca.pem' 'smtp_tls_CApath =' 'mydestination = ours.example.com, localhost' 'relayhost = [real.example]' \
	'smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination' 'mynetworks = 127.0.0.0/8'
postconf -M 'submission/inet=submission inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes -o smtpd_tls_auth_only=yes'
systemctl start saslauthd
systemctl start postfix
tar -c ca.pem real.example.pem real.example.key >&3
