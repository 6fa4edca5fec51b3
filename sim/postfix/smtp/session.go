package smtp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"enshu/sim/clock"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/service"
)

// session is one connection.
type session struct {
	*client
	conn   net.Conn
	r      *bufio.Reader
	host   mxHost
	port   int
	domain string
	offers map[string]string // EHLO keywords
	tls    bool
	uses   int // mails that it has carried
	timer  *clock.LocalTimer
}

// reply is a server's answer.
type reply struct {
	code int
	dsn  string // "" when the server sent none
	text string // lines joined by blanks, with the code
	rest []string
}

func (s *session) name() string { return fmt.Sprintf("%s[%s]", s.host.name, s.host.addr) }

// talkError ends a session: the connection is of no use any more.
type talkError struct {
	f       service.Fate
	message bool // it is about this message, not the host
}

func (e talkError) Error() string { return e.f.Text }

func (s *session) deadline(param string) {
	s.conn.SetDeadline(s.Proc.Now().Add(s.Conf.Time(param)))
}

// broken is the fate after an I/O error while doing something.
func (s *session) broken(err error, doing string) error {
	text := fmt.Sprintf("lost connection with %s while %s", s.name(), doing)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) {
		text = fmt.Sprintf("conversation with %s timed out while %s", s.name(), doing)
	}
	return talkError{f: service.Fate{Status: "4.4.2", Text: text}}
}

// maxReply bounds what a server may say in one reply.
const maxReply = 100

func (s *session) read(doing string) (reply, error) {
	var rep reply
	for n := 0; ; n++ {
		line, err := s.r.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = s.r.ReadSlice('\n')
		}
		if err != nil {
			return rep, s.broken(err, doing)
		}
		text := maillog.Printable(strings.TrimRight(string(line), "\r\n"))
		if len(text) < 3 || n > maxReply {
			return rep, s.broken(io.EOF, doing)
		}
		code, err := strconv.Atoi(text[:3])
		if err != nil || code < 200 || code > 599 {
			return rep, talkError{f: service.Fate{Status: "5.5.0", Text: fmt.Sprintf("host %s said: %s", s.name(), text)}}
		}
		rep.rest = append(rep.rest, strings.TrimPrefix(text[3:], "-"))
		if rep.text == "" {
			rep.text = text
			if len(text) > 3 {
				rep.text = text[:3] + " " + text[4:]
			}
		} else if len(text) > 4 {
			rep.text += " " + text[4:]
		}
		rep.code = code
		if len(text) == 3 || text[3] != '-' {
			break
		}
	}
	if f := strings.Fields(rep.text); len(f) > 1 && len(f[1]) >= 5 && f[1][1] == '.' && f[1][0] == rep.text[0] {
		rep.dsn = f[1]
	}
	return rep, nil
}

// refused is the fate that a negative reply means.
func (s *session) refused(rep reply, command string) service.Fate {
	dsn := rep.dsn
	if dsn == "" {
		dsn = fmt.Sprintf("%d.0.0", rep.code/100)
	}
	return service.Fate{Status: dsn, Text: fmt.Sprintf("host %s said: %s (in reply to %s command)", s.name(), rep.text, command),
		DiagType: "smtp", DiagText: rep.text, MTA: s.host.name}
}

func (s *session) send(line string) error {
	_, err := s.conn.Write([]byte(line + "\r\n"))
	return err
}

// run delivers over a connection, after begin, and closes or keeps it.
func (s *session) run(ctx context.Context, begin func() error) {
	s.relay = fmt.Sprintf("%s:%d", s.name(), s.port)
	c := s.client
	err := begin()
	if err == nil {
		s.uses++
		c.Uses = s.uses
		err = s.transact(ctx)
	}
	if c.keeps {
		return // somebody else may have the connection already
	}
	s.conn.Close()
	var te talkError
	if errors.As(err, &te) {
		s.last, s.unreached = te.f, !te.message
		if te.f.Status[0] == '5' && ctx.Err() == nil {
			s.giveUp(te.f)
		}
	}
}

// greet takes the greeting and says hello, with TLS when both want it.
func (s *session) greet() error {
	s.deadline("smtp_helo_timeout")
	doing := "receiving the initial server greeting"
	rep, err := s.read(doing)
	if err != nil {
		return err
	}
	if rep.code/100 != 2 {
		f := s.refused(rep, "")
		f.Text = fmt.Sprintf("host %s refused to talk to me: %s", s.name(), rep.text)
		if s.Conf.Bool("smtp_skip_5xx_greeting") {
			f.Status = "4" + f.Status[1:]
		}
		return talkError{f: f}
	}
	if f := strings.Fields(rep.text); len(f) > 1 && strings.EqualFold(f[1], s.Conf.Get("myhostname")) && s.port == 25 {
		s.Log.Warning("host %s:%d greeted me with my own hostname %s", s.name(), s.port, s.Conf.Get("myhostname"))
	}
	if err := s.hello(); err != nil {
		return err
	}
	level := s.Conf.Get("smtp_tls_security_level")
	if level == "" && s.Conf.Bool("smtp_use_tls") {
		level = "may"
	}
	if level == "" || level == "none" {
		return s.login(s.Req.Nexthop)
	}
	if _, offered := s.offers["STARTTLS"]; !offered {
		if level == "may" {
			return s.login(s.Req.Nexthop)
		}
		return talkError{f: service.Fate{Status: "4.7.4", Text: fmt.Sprintf("TLS is required, but was not offered by host %s", s.name())}}
	}
	if err := s.startTLS(level); err != nil {
		return err
	}
	return s.login(s.Req.Nexthop)
}

func (s *session) hello() error {
	s.deadline("smtp_helo_timeout")
	if err := s.send("EHLO " + s.Conf.Get("smtp_helo_name")); err != nil {
		return s.broken(err, "performing the EHLO handshake")
	}
	rep, err := s.read("performing the EHLO handshake")
	if err != nil {
		return err
	}
	s.offers = map[string]string{}
	if rep.code/100 != 2 {
		if err := s.send("HELO " + s.Conf.Get("smtp_helo_name")); err != nil {
			return s.broken(err, "performing the HELO handshake")
		}
		rep, err = s.read("performing the HELO handshake")
		if err != nil {
			return err
		}
		if rep.code/100 != 2 {
			return talkError{f: s.refused(rep, "HELO")}
		}
		return nil
	}
	for i, line := range rep.rest {
		word, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		if i == 0 {
			if strings.EqualFold(word, s.Conf.Get("myhostname")) && s.port == 25 {
				s.Log.Warning("host %s:%d replied to HELO/EHLO with my own hostname %s", s.name(), s.port, s.Conf.Get("myhostname"))
				s.send("QUIT")
				return talkError{f: service.Fate{Status: "5.4.6", Text: fmt.Sprintf("mail for %s loops back to myself", s.domain)}}
			}
			continue
		}
		s.offers[strings.ToUpper(word)] = arg
	}
	return nil
}
