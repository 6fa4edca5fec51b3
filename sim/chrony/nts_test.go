package chrony_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/memnet"
	"enshu/sim/peer"
)

// certificate makes a certificate of its own for an address, and its key.
func certificate(t *testing.T, addr string, from time.Time) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: addr}, NotBefore: from, NotAfter: from.Add(10 * year),
		IPAddresses: []net.IP{net.ParseIP(addr)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &tmpl, &tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// TestLiveNTS lets our chronyd and the real one be client and server of each other.
func TestLiveNTS(t *testing.T) {
	peer.Root(t)
	if !private(t) {
		return
	}
	dir := t.TempDir()
	for _, addr := range []string{"127.0.0.1", "127.0.0.2"} {
		cert, key := certificate(t, addr, time.Now().Add(-time.Hour))
		for name, text := range map[string]string{".crt": cert, ".key": key} {
			if err := os.WriteFile(filepath.Join(dir, addr+name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	server := func(addr, stratum string) place {
		return configured(t, "local stratum "+stratum+"\nallow\nbindaddress "+addr+"\ncmdport 0\n"+
			"ntsservercert "+dir+"/"+addr+".crt\nntsserverkey "+dir+"/"+addr+".key\n")
	}
	startOurs(t, server("127.0.0.1", "4").config)
	startReal(t, server("127.0.0.2", "6"))
	for _, c := range []struct {
		name, server string
		start        func(place)
		ask          func(...string) (string, int)
	}{
		{"real client of our server", "127.0.0.1", func(p place) { startReal(t, p) }, func(a ...string) (string, int) { return realClient(t, a...) }},
		{"our client of the real server", "127.0.0.2", func(p place) { startOurs(t, p.config) }, ourClient},
		{"our client of our server", "127.0.0.1", func(p place) { startOurs(t, p.config) }, ourClient},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := configured(t, "server "+c.server+" nts iburst minpoll 0\nport 0\ncmdport 0\nntstrustedcerts "+dir+"/"+c.server+".crt\n")
			c.start(p)
			if out, st := c.ask(append([]string{"-h", p.socket}, strings.Fields(synced)...)...); st != 0 {
				t.Fatalf("not synchronised: %s", out)
			}
			out, _ := c.ask("-n", "-c", "-h", p.socket, "authdata")
			if !regexp.MustCompile(`^` + c.server + `,NTS,1,15,256,\d+,0,0,[78],100\n$`).MatchString(out) {
				t.Errorf("authdata: %s", out)
			}
		})
	}
}

// TestNTS takes a client through what can happen with its server of keys. The words
// are those of the real chronyd.
func TestNTS(t *testing.T) {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where a bubble's time begins
	cert, key := certificate(t, "192.0.2.1", start.Add(-time.Hour))
	other, _ := certificate(t, "192.0.2.1", start.Add(-time.Hour))
	future, futureKey := certificate(t, "192.0.2.1", start.Add(year))
	wrongName, wrongKey := certificate(t, "192.0.2.7", start.Add(-time.Hour))
	const client = "server 192.0.2.1 nts iburst minpoll 4 maxpoll 4\nntstrustedcerts /trusted.pem\n"
	const failed = "TLS handshake with 192.0.2.1:4460 (192.0.2.1) failed : Error in the certificate verification. The certificate is NOT trusted. "
	serving := func(more string) string {
		return "local stratum 1\nallow\nntsservercert /cert.pem\nntsserverkey /key.pem\n" + more
	}
	for _, c := range []struct {
		name, server, client, trusted string
		cert, key                     string
		log                           string // of the client; "" when it is to be synchronised
	}{
		{"good", serving(""), client, cert, cert, key, ""},
		{"another port", serving("port 1123\nntsport 4461\n"), "server 192.0.2.1 nts ntsport 4461 iburst\nntstrustedcerts /trusted.pem\n", cert, cert, key, ""},
		{"a set of certificates", serving(""), "server 192.0.2.1 nts certset 3 iburst\nntstrustedcerts 3 /trusted.pem\n", cert, cert, key, ""},
		{"unknown issuer", serving(""), client, other, cert, key, failed + "The certificate issuer is unknown. "},
		{"another name", serving(""), client, wrongName, wrongName, wrongKey, failed + "The name in the certificate does not match the expected. "},
		{"not yet valid", serving(""), client, future, future, futureKey, failed + "The certificate chain uses not yet valid certificate. "},
		{"not yet valid, unchecked", serving(""), client + "nocerttimecheck 1\n", future, future, futureKey, ""},
		{"no server of keys", "local stratum 1\nallow\n", client, cert, cert, key, "Could not connect to 192.0.2.1:4460 (192.0.2.1) : Connection refused"},
		{"not allowed", serving("deny all\n"), client, cert, cert, key, "TLS handshake with 192.0.2.1:4460 (192.0.2.1) failed : The TLS connection was non-properly terminated."},
		{"no certificate", serving(""), client, "", cert, key, failed + "The certificate issuer is unknown. "},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New(t)
				chronyAt(t, n, "192.0.2.1", c.server, 0, map[string]string{"/cert.pem": c.cert, "/key.pem": c.key})
				h := chronyAt(t, n, "192.0.2.2", c.client, 0, map[string]string{"/trusted.pem": c.trusted})
				time.Sleep(10 * time.Second)
				log := h.daemon.Stderr.String()
				if c.log != "" && strings.Count(log, c.log+"\n") != 1 {
					t.Errorf("not logged once: %s\n%s", c.log, log)
				}
				if synced := strings.Contains(log, "Selected source 192.0.2.1\n"); synced != (c.log == "") {
					t.Errorf("synchronised: %v\n%s", synced, log)
				}
			})
		})
	}
}

// TestNTSKeys loses the server's keys, and keeps them, over a restart.
func TestNTSKeys(t *testing.T) {
	for _, c := range []struct {
		name, server string
		sessions     string // of the client, in the end
	}{{"lost", "", "2"}, {"kept", "ntsdumpdir /var/lib/chrony\n", "1"}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cert, key := certificate(t, "192.0.2.1", time.Now().Add(-time.Hour))
				n := memnet.New(t)
				s := chronyAt(t, n, "192.0.2.1", "local stratum 1\nallow\nntsservercert /cert.pem\nntsserverkey /key.pem\n"+c.server, 0,
					map[string]string{"/cert.pem": cert, "/key.pem": key})
				h := chronyAt(t, n, "192.0.2.2", "server 192.0.2.1 nts iburst minpoll 4 maxpoll 4\nntstrustedcerts /trusted.pem\n", 0,
					map[string]string{"/trusted.pem": cert})
				time.Sleep(time.Minute)
				s.daemon.Stop()
				s.Start("/usr/sbin/chronyd", "-d")
				time.Sleep(5 * time.Minute)
				auth, data := h.ask("authdata"), h.ask("sources")
				if auth[2] != c.sessions || auth[8] != "8" || auth[9] != "100" || data[5] != "377" && c.name == "kept" {
					t.Errorf("authdata %v, sources %v", auth, data)
				}
				if got := s.ask("serverstats"); got[5] != "1" && c.name == "lost" {
					t.Errorf("serverstats %v", got)
				}
			})
		})
	}
}
