package session

import (
	"context"
	"io/fs"
	"time"

	"enshu/cmd/enshu/story"
	"enshu/grader/check"
	"enshu/sim/clock"
	"enshu/sim/lab"
	"enshu/sim/trace"
)

// view is a running lab as the grader sees it.
type view struct{ lab *lab.Lab }

func (v view) Exec(ctx context.Context, name, user, script string) (check.Output, error) {
	h, err := v.lab.Host(name)
	if err != nil {
		return check.Output{}, err
	}
	out, err := h.Exec(ctx, user, script, nil)
	return check.Output{Stdout: out.Stdout, Stderr: out.Stderr, Status: out.Status.Shell()}, err
}

func (v view) ReadFile(name, file string) ([]byte, error) {
	h, err := v.lab.Host(name)
	if err != nil {
		return nil, err
	}
	return h.ReadFile(file)
}

func (v view) Stat(name, file string) (fs.FileInfo, error) {
	h, err := v.lab.Host(name)
	if err != nil {
		return nil, err
	}
	return h.Stat(file)
}

func (v view) Clock(name string) *clock.Local {
	h, err := v.lab.Host(name)
	if err != nil {
		return nil
	}
	return h.Clock()
}

func (v view) Trace() *trace.Log { return v.lab.Trace() }

// A story is looked at every settleStep, and waited for settleMost at most: that
// of a text which is logged again and again has no end.
const (
	settleStep = 20 * time.Millisecond
	settleMost = 2 * time.Second
)

// settle waits, a step at a time, while the story of about may go on by itself at
// once: rsyslogd hears of a message a quarter of a second after the journal does.
func (s *server) settle(l *lab.Lab, about string, step func() error) {
	for until := l.Timeline.Now().Add(settleMost); ; {
		now := l.Timeline.Now()
		if now.After(until) || !story.Pending(l.Trace().Since(0), s.storyHosts(), about, now) || step() != nil {
			return
		}
	}
}

// storyHosts are the hosts of the lab as a story names them.
func (s *server) storyHosts() []story.Host {
	var hosts []story.Host
	for i := range s.spec.Hosts {
		h := story.Host{Name: s.spec.Hosts[i].Name}
		for _, n := range s.spec.Hosts[i].Networks {
			h.Addresses = append(h.Addresses, n.Address.String())
		}
		hosts = append(hosts, h)
	}
	return hosts
}
