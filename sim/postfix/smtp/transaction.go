package smtp

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/trace"
)

// transact sends the message to the recipients that are left.
func (s *session) transact(ctx context.Context) error {
	if limit, err := strconv.ParseInt(s.offers["SIZE"], 10, 64); err == nil && limit > 0 && s.Req.Size > limit {
		return talkError{f: service.Fate{Status: "5.3.4", Text: fmt.Sprintf("message size %d exceeds size limit %d of server %s", s.Req.Size, limit, s.name())}}
	}
	text, err := s.Msg.Text()
	if err != nil {
		return talkError{f: service.Fate{Status: "4.3.0", Text: "malformed queue file"}, message: true}
	}
	lines := []string{s.mailCommand(text)}
	for _, r := range s.left {
		lines = append(lines, s.rcptCommand(r))
	}
	_, pipelining := s.offers["PIPELINING"]
	if pipelining {
		s.deadline("smtp_mail_timeout")
		if err := s.send(strings.Join(append(append([]string(nil), lines...), "DATA"), "\r\n")); err != nil {
			return s.broken(err, "sending MAIL FROM")
		}
	}
	next := func(param, line, doing string) (reply, error) {
		s.deadline(param)
		if !pipelining {
			if err := s.send(line); err != nil {
				return reply{}, s.broken(err, doing)
			}
		}
		return s.read(doing)
	}
	rep, err := next("smtp_mail_timeout", lines[0], "sending MAIL FROM")
	if err != nil {
		return err
	}
	var accepted []queue.Recipient
	if rep.code/100 != 2 {
		f := s.refused(rep, "MAIL FROM")
		for _, r := range s.left {
			s.settle(r, f)
		}
		if pipelining {
			for range lines {
				if _, err := s.read("sending RCPT TO"); err != nil {
					return nil
				}
			}
		}
		s.left = nil
		s.quit(true)
		return nil
	}
	rcpts := s.left
	for i, r := range rcpts {
		rep, err := next("smtp_rcpt_timeout", lines[i+1], "sending RCPT TO")
		if err != nil {
			return err
		}
		if rep.code/100 == 2 {
			accepted = append(accepted, r)
			continue
		}
		s.settle(r, s.refused(rep, "RCPT TO"))
		s.drop(r)
	}
	if len(accepted) == 0 {
		if pipelining {
			rep, err := s.read("sending DATA command")
			if err != nil {
				return nil
			}
			if rep.code == 354 { // an empty message ends what we should not have begun
				s.send(".")
				s.read("sending end of data")
			}
		}
		s.quit(true)
		return nil
	}
	rep, err = next("smtp_data_init_timeout", "DATA", "sending DATA command")
	if err != nil {
		return err
	}
	if rep.code/100 != 3 {
		return talkError{f: s.refused(rep, "DATA"), message: true}
	}
	s.deadline("smtp_data_xfer_timeout")
	if _, err := s.conn.Write(s.stuff(text)); err != nil {
		return s.broken(err, "sending message body")
	}
	s.deadline("smtp_data_done_timeout")
	rep, err = s.read("sending end of data -- message may be sent more than once")
	if err != nil {
		return err
	}
	for _, r := range accepted {
		if rep.code/100 == 2 {
			dsn := rep.dsn
			if dsn == "" {
				dsn = "2.0.0"
			}
			s.Sent(r, s.relay, service.Fate{Status: dsn, Text: rep.text, MTA: s.host.name})
			s.Done(r)
			s.Log.Emit(trace.MailSent, trace.Attrs{"id": s.Req.ID, "to": r.Address, "relay": s.relay, "reply": rep.text})
		} else {
			s.settle(r, s.refused(rep, "end of DATA"))
		}
		s.drop(r)
	}
	s.quit(false)
	return nil
}

// settle bounces or defers one recipient.
func (s *session) settle(r queue.Recipient, f service.Fate) {
	s.Failed(r, s.relay, f)
	if f.Status[0] == '5' {
		s.Done(r)
	}
}

func (s *session) drop(r queue.Recipient) {
	for i := range s.left {
		if s.left[i].Offset == r.Offset {
			s.left = append(append([]queue.Recipient(nil), s.left[:i]...), s.left[i+1:]...)
			return
		}
	}
}

// quit ends a session, or keeps the connection.
func (s *session) quit(reset bool) {
	if reset {
		s.deadline("smtp_rset_timeout")
		if s.send("RSET") != nil {
			return
		}
		if _, err := s.read("sending RSET"); err != nil {
			return
		}
	}
	if limit := s.Conf.Time("smtp_connection_cache_time_limit"); s.Req.Keep && limit > 0 && s.Conf.Bool("smtp_connection_cache_on_demand") {
		s.conn.SetDeadline(time.Time{})
		s.keeps = true
		s.kept.put(s.Req.Nexthop, s, limit)
		return
	}
	s.deadline("smtp_quit_timeout")
	s.send("QUIT")
}

func (s *session) mailCommand(text []byte) string {
	line := "MAIL FROM:<" + mailaddr.External(s.Req.Sender) + ">"
	if _, ok := s.offers["SIZE"]; ok {
		line += fmt.Sprintf(" SIZE=%d", s.Req.Size)
	}
	if _, ok := s.offers["8BITMIME"]; ok && slices.ContainsFunc(text, func(c byte) bool { return c > 127 }) {
		line += " BODY=8BITMIME"
	}
	if _, ok := s.offers["DSN"]; ok {
		if ret := s.Msg.Ret(); ret != "" {
			line += " RET=" + ret
		}
		if id := s.Msg.EnvelopeID(); id != "" {
			line += " ENVID=" + dsn.EncodeXtext(id)
		}
	}
	if _, ok := s.offers["SMTPUTF8"]; ok && s.Req.UTF8 {
		line += " SMTPUTF8"
	}
	return line
}

func (s *session) rcptCommand(r queue.Recipient) string {
	line := "RCPT TO:<" + mailaddr.External(r.Address) + ">"
	if _, ok := s.offers["DSN"]; ok {
		if r.Notify != 0 {
			var words []string
			for _, n := range []struct {
				flag dsn.Notify
				word string
			}{{dsn.Never, "NEVER"}, {dsn.Success, "SUCCESS"}, {dsn.Failure, "FAILURE"}, {dsn.Delay, "DELAY"}} {
				if r.Notify&n.flag != 0 {
					words = append(words, n.word)
				}
			}
			line += " NOTIFY=" + strings.Join(words, ",")
		}
		if r.DSNOriginal != "" {
			kind, address, _ := strings.Cut(r.DSNOriginal, ";")
			line += " ORCPT=" + kind + ";" + dsn.EncodeXtext(address)
		}
	}
	return line
}

// stuff makes text ready for the wire: CRLF line ends, doubled dots, long lines
// broken, the final dot.
func (s *session) stuff(text []byte) []byte {
	limit := s.Conf.Int("smtp_line_length_limit")
	var b bytes.Buffer
	told := false
	for len(text) > 0 {
		line, rest := text, []byte(nil)
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			line, rest = text[:end], text[end+1:]
		}
		text = rest
		if bytes.HasPrefix(line, []byte(".")) {
			b.WriteByte('.')
		}
		for limit > 0 && len(line) > limit {
			if !told {
				s.Log.Info("%s: breaking line > %d bytes with <CR><LF>SPACE", s.Req.ID, limit)
				told = true
			}
			b.Write(line[:limit])
			b.WriteString("\r\n ")
			line = line[limit:]
		}
		b.Write(line)
		b.WriteString("\r\n")
	}
	b.WriteString(".\r\n")
	return b.Bytes()
}
