package session

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"time"

	"enshu/cmd/enshu/page"
	"enshu/cmd/enshu/story"
	"enshu/grader/check"
	"enshu/grader/report"
	"enshu/sim/clock"
	"enshu/sim/distro"
	"enshu/sim/host"
	"enshu/sim/lab"
	"enshu/sim/lang"
	"enshu/sim/libc"
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

// learnerTools are the commands that every host has besides its distribution's.
func (s *server) learnerTools() distro.Package {
	return distro.Package{
		Name: "enshu", Version: "1", Release: "1", Arch: "noarch", Base: true, Summary: "Commands of the lab",
		Programs: map[string]host.Program{
			"/usr/local/bin/tasks": s.tasksProgram,
			"/usr/local/bin/check": s.checkProgram,
			"/usr/local/bin/hint":  s.hintProgram,
			"/usr/local/bin/why":   s.whyProgram,
		},
	}
}

// langEnv tells a shell on a host which language its user reads: hosts have no
// locale but C.UTF-8.
const langEnv = "ENSHU_LANG"

// languageOf is the language of whoever runs a command on a host.
func languageOf(p *host.Proc) string { return lang.Of(p.Getenv(langEnv)) }

// complain says what is wrong, as the command that p is.
func complain(p *host.Proc, err error) {
	fmt.Fprintf(p.Stderr, "%s: %s\n", path.Base(p.Args[0]), lang.Tell(err, languageOf(p)))
}

var errStarting = lang.Errorf("ラボはまだ起動中です", "the lab is still starting")

// tasksProgram is `tasks` inside a host.
func (s *server) tasksProgram(_ context.Context, p *host.Proc) int {
	text := page.Lab(s.spec, languageOf(p))
	terminal, live := libc.Terminal(p.Stdout)
	if !live {
		fmt.Fprint(p.Stdout, text)
		return 0
	}
	_, columns := terminal.Size()
	if err := page.Write(p.Stdout, text, page.Style{Columns: columns, Color: true}); err != nil {
		return 1
	}
	return 0
}

// checkProgram is `check [TASK…]` inside a host.
func (s *server) checkProgram(ctx context.Context, p *host.Proc) int {
	l := s.running.Load()
	if l == nil {
		complain(p, errStarting)
		return 2
	}
	// The grader waits in true time like anybody outside: this command's own
	// waiting must not hold the lab's time up.
	line := p.Clock.Timeline()
	language := languageOf(p)
	terminal, live := libc.Terminal(p.Stdout)
	var progress func(report.Progress)
	if live {
		_, cols := terminal.Size()
		progress = func(now report.Progress) {
			line.Hold()
			defer line.Release()
			fmt.Fprint(p.Stdout, "\r\x1b[K", now.Line(language, cols))
		}
	}
	line.Release()
	result, err := s.check(ctx, l, p.Args[1:], progress)
	line.Hold()
	if live {
		fmt.Fprint(p.Stdout, "\r\x1b[K")
	}
	if err != nil {
		complain(p, err)
		return 2
	}
	style := report.Style{Lang: language}
	if live {
		_, style.Columns = terminal.Size()
		style.Color = true
	}
	report.WriteText(p.Stdout, result, style)
	return ExitStatus(result.Outcome())
}

// ExitStatus is what a command that graded ends with.
func ExitStatus(o report.Outcome) int {
	switch o {
	case report.Pass:
		return 0
	case report.Fail:
		return 1
	}
	return 2
}

// hintProgram is `hint [TASK]` inside a host.
func (s *server) hintProgram(ctx context.Context, p *host.Proc) int {
	task := ""
	if len(p.Args) > 1 {
		task = p.Args[1]
	}
	h, err := s.hint(task)
	if err != nil {
		complain(p, err)
		return 1
	}
	fmt.Fprintln(p.Stdout, h.In(languageOf(p)))
	return 0
}

// whyProgram is `why TEXT|NUMBER [HOST:FILE]` inside a host.
func (s *server) whyProgram(ctx context.Context, p *host.Proc) int {
	if len(p.Args) != 2 && len(p.Args) != 3 {
		fmt.Fprintln(p.Stderr, "usage: why TEXT|NUMBER [HOST:FILE]")
		return 2
	}
	l := s.running.Load()
	if l == nil {
		complain(p, errStarting)
		return 2
	}
	where := ""
	if len(p.Args) == 3 {
		where = p.Args[2]
	}
	s.settle(l, p.Args[1], func() error { return p.Sleep(ctx, settleStep) })
	told, err := story.Tell(p.Stdout, l.Trace().Since(0), s.storyHosts(), p.Args[1], where, languageOf(p))
	if err != nil {
		complain(p, err)
		return 2
	}
	if !told {
		return 1
	}
	return 0
}

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

// In is the hint in a language, with where it stands.
func (h *Hint) In(language string) string {
	if language == "ja" {
		return fmt.Sprintf("%s のヒント %d/%d: %s", h.Task, h.Number, h.Of, h.Text.JA)
	}
	return fmt.Sprintf("Hint %d of %d for %s: %s", h.Number, h.Of, h.Task, h.Text.EN)
}
