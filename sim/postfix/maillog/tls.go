package maillog

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
)

// TLSSession describes an encrypted session as the log shows it with
// smtp_tls_loglevel and smtpd_tls_loglevel (tls_log_summary(3)); server
// is the certificate that the server has shown.
func TLSSession(s tls.ConnectionState, server *x509.Certificate) string {
	name, bits := cipher(tls.CipherSuiteName(s.CipherSuite))
	text := fmt.Sprintf("%s with cipher %s (%d/%d bits)", strings.Replace(tls.VersionName(s.Version), "TLS 1.", "TLSv1.", 1), name, bits, bits)
	if s.Version < tls.VersionTLS13 {
		return text
	}
	text += " key-exchange " + s.CurveID.String()
	if server == nil {
		return text
	}
	switch key := server.PublicKey.(type) {
	case *ecdsa.PublicKey:
		text += fmt.Sprintf(" server-signature ECDSA (%s) server-digest SHA%d", key.Params().Name, max(256, key.Params().BitSize&^7))
	case *rsa.PublicKey:
		text += fmt.Sprintf(" server-signature RSA-PSS (%d bits) server-digest SHA256", key.N.BitLen())
	default:
		text += " server-signature Ed25519"
	}
	return text
}

// cipher gives OpenSSL's name of a cipher suite, and the bits of its key.
func cipher(name string) (openssl string, bits int) {
	bits = 256
	if strings.Contains(name, "_128_") {
		bits = 128
	}
	exchange, rest, old := strings.Cut(strings.TrimPrefix(name, "TLS_"), "_WITH_")
	if !old { // TLS 1.3
		return name, bits
	}
	rest = strings.NewReplacer("AES_", "AES", "CHACHA20_POLY1305_SHA256", "CHACHA20_POLY1305", "_CBC_SHA", "_SHA").Replace(rest)
	return strings.ReplaceAll(strings.TrimPrefix(exchange+"_"+rest, "RSA_"), "_", "-"), bits
}
