package mailoracle

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"gopkg.in/yaml.v3"

	"enshu/sim/host"
	"enshu/sim/libc"
)

func selfSigned(t *testing.T, name string) (cert, key string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kb, _ := x509.MarshalECPrivateKey(k)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: kb}))
}

// nameServer answers as dns: says.
func (c *oracleCase) nameServer(ctx context.Context, p *host.Proc) int {
	conn, err := p.Sys.ListenPacket("udp4", ":53")
	if err != nil {
		return 1
	}
	p.Go(func() {
		w := p.Clock.Timeline().NewWait()
		w.Sleep(ctx)
		conn.Close()
	})
	p.Ready()
	buf := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return 0
		}
		q := new(dns.Msg)
		if q.Unpack(buf[:n]) != nil || len(q.Question) != 1 {
			continue
		}
		r := new(dns.Msg)
		r.SetReply(q)
		name := strings.ToLower(strings.TrimSuffix(q.Question[0].Name, "."))
		n2, ok := c.DNS[name]
		var rec map[string]yaml.Node
		n2.Decode(&rec)
		switch rc := rec["rcode"]; {
		case !ok:
			r.Rcode = dns.RcodeNameError
		case rc.Kind != 0:
			r.Rcode, _ = strconv.Atoi(rc.Value)
		default:
			kind := dns.TypeToString[q.Question[0].Qtype]
			values := rec[kind]
			for _, v := range values.Content {
				text := v.Value
				switch kind {
				case "MX":
					target := v.Content[1].Value
					text = v.Content[0].Value + " " + target + "."
				case "PTR":
					text += "."
				}
				if rr, err := dns.NewRR(fmt.Sprintf("%s 60 IN %s %s", q.Question[0].Name, kind, text)); err == nil {
					r.Answer = append(r.Answer, rr)
				}
			}
		}
		if out, err := r.Pack(); err == nil {
			conn.WriteTo(out, from)
		}
	}
}

// silent takes connections on the SMTP port and says nothing.
func silent(ctx context.Context, p *host.Proc) int {
	ln, err := p.Sys.Listen("tcp4", ":25")
	if err != nil {
		return 1
	}
	defer ln.Close()
	p.Sleep(ctx, 300*time.Second)
	return 0
}

// syslogd writes mail.* to /var/log/maillog, in the traditional format.
func syslogd(ctx context.Context, p *host.Proc) int {
	conn, err := p.Sys.ListenPacket("unixgram", "/dev/log")
	if err != nil {
		return 1
	}
	p.Sys.Chmod("/dev/log", 0o666)
	p.Go(func() {
		w := p.Clock.Timeline().NewWait()
		w.Sleep(ctx)
		conn.Close()
	})
	buf := make([]byte, 65536)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return 0
		}
		_, text, _ := strings.Cut(string(buf[:n]), ">")
		if len(text) > 16 {
			text = text[:16] + "<HOST> " + text[16:]
		}
		libc.AppendFile(p, "/var/log/maillog", []byte(text+"\n"), 0o600)
	}
}
