package session

import (
	"context"
	"fmt"
	"path"
	"time"

	"enshu/cmd/enshu/page"
	"enshu/cmd/enshu/story"
	"enshu/grader/report"
	"enshu/sim/distro"
	"enshu/sim/host"
	"enshu/sim/lab"
	"enshu/sim/lang"
	"enshu/sim/libc"
	"enshu/sim/scenario"
)

// learnerTools are the commands that every host has besides its distribution's.
func (s *server) learnerTools() distro.Package {
	return distro.Package{
		Name: "enshu", Version: "1", Release: "1", Arch: "noarch", Base: true, Summary: "Commands of the lab",
		Programs: map[string]host.Program{
			"/usr/local/bin/tasks": s.tasksProgram,
			"/usr/local/bin/check": s.checkProgram,
			"/usr/local/bin/hint":  s.hintProgram,
			"/usr/local/bin/why":   s.whyProgram,
			"/usr/local/bin/enshu": s.enshuProgram,
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

// up returns the lab, or complains that it does not run yet and returns nil.
func (s *server) up(p *host.Proc) *lab.Lab {
	l := s.running.Load()
	if l == nil {
		complain(p, errStarting)
	}
	return l
}

// outside does what waits in true time like anybody outside the lab: the waiting
// of a command itself must not hold the lab's time up.
func outside(p *host.Proc, do func()) {
	line := p.Clock.Timeline()
	line.Release()
	defer line.Hold()
	do()
}

var errStarting = lang.Errorf("ラボはまだ起動中です", "the lab is still starting")

// enshuProgram is `enshu VERB …` inside a host: what a learner may type there as
// well as outside.
func (s *server) enshuProgram(ctx context.Context, p *host.Proc) int {
	verbs := map[string]host.Program{"show": s.tasksProgram, "tasks": s.tasksProgram, "check": s.checkProgram,
		"hint": s.hintProgram, "why": s.whyProgram, "clock": s.clockProgram}
	if len(p.Args) > 1 && verbs[p.Args[1]] != nil {
		p.Args = p.Args[1:]
		return verbs[p.Args[0]](ctx, p)
	}
	complain(p, lang.Errorf("ホストの中で使えるのは show、check、hint、why、clock です。ほかは別の端末で実行してください",
		"inside a host there are show, check, hint, why and clock; the rest works in another terminal"))
	return 2
}

// clockProgram is `enshu clock [advance DURATION]` inside a host.
func (s *server) clockProgram(ctx context.Context, p *host.Proc) int {
	l := s.up(p)
	if l == nil {
		return 2
	}
	var err error
	switch args := p.Args[1:]; {
	case len(args) == 0:
		var st *Status
		outside(p, func() { st = s.status(ctx, l) })
		err = st.WriteClocks(p.Stdout, languageOf(p))
	case len(args) == 2 && args[0] == "advance":
		var d scenario.Duration
		if err = d.UnmarshalText([]byte(args[1])); err != nil {
			break
		}
		if !atTerminal(p) {
			err = errScript
			break
		}
		outside(p, func() { err = l.Advance(ctx, time.Duration(d)) })
	default:
		fmt.Fprintln(p.Stderr, lang.Both("使い方: enshu clock [advance 期間]", "usage: enshu clock [advance DURATION]").In(languageOf(p)))
		return 2
	}
	if err != nil {
		complain(p, err)
		return 1
	}
	return 0
}

// errScript refuses to move time on from a script: time would wait for the script,
// as it does for every process at work, and the script for time.
var errScript = lang.Errorf("ここでは端末からだけ使えます。スクリプトからは、ホストの外で `enshu clock advance` を使ってください",
	"here this works at a terminal only; in a script use `enshu clock advance` outside the host")

// atTerminal reports whether somebody sits in front of a process.
func atTerminal(p *host.Proc) bool {
	for _, f := range []any{p.Stdin, p.Stdout, p.Stderr} {
		if _, ok := libc.Terminal(f); ok {
			return true
		}
	}
	return false
}

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
	l := s.up(p)
	if l == nil {
		return 2
	}
	language := languageOf(p)
	terminal, live := libc.Terminal(p.Stdout)
	var progress func(report.Progress)
	if live {
		_, cols := terminal.Size()
		progress = func(now report.Progress) {
			line := p.Clock.Timeline()
			line.Hold()
			defer line.Release()
			fmt.Fprint(p.Stdout, "\r\x1b[K", now.Line(language, cols))
		}
	}
	var result *report.Report
	var err error
	outside(p, func() { result, err = s.check(ctx, l, p.Args[1:], progress) })
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
		fmt.Fprintln(p.Stderr, lang.Both("使い方: why 文字列|番号 [HOST:FILE]", "usage: why TEXT|NUMBER [HOST:FILE]").In(languageOf(p)))
		return 2
	}
	l := s.up(p)
	if l == nil {
		return 2
	}
	where := ""
	if len(p.Args) == 3 {
		where = p.Args[2]
	}
	s.settle(l, p.Args[1], func() error { return p.Sleep(ctx, settleStep) })
	told, err := story.Tell(p.Stdout, inZone(l.Trace().Since(0), s.zone(string(s.spec.Shell))), s.storyHosts(), p.Args[1], where, languageOf(p))
	if err != nil {
		complain(p, err)
		return 2
	}
	if !told {
		return 1
	}
	return 0
}
