package screen

import (
	"bytes"
	"context"
	"io"

	"enshu/sim/host"
	"enshu/sim/systemd/unitfile"
)

// Pager collects output for less(1), which gets it when the tool is done, or
// when enough came that nothing more may be kept.
type Pager struct {
	p    *host.Proc
	Args []string
	buf  bytes.Buffer
}

// StartPager finds the user's pager; nil when output goes straight to the
// terminal ($SYSTEMD_PAGER, $PAGER empty or "cat").
func StartPager(_ context.Context, p *host.Proc) *Pager {
	set := func(name string) (string, bool) {
		for _, e := range p.Env {
			if len(e) > len(name) && e[:len(name)+1] == name+"=" {
				return e[len(name)+1:], true
			}
		}
		return "", false
	}
	command, ok := set("SYSTEMD_PAGER")
	if !ok {
		if command, ok = set("PAGER"); !ok {
			command = "less"
		}
	}
	words, _ := unitfile.SplitWords(command)
	if len(words) == 0 || words[0] == "cat" {
		return nil
	}
	found, err := p.LookPath(words[0])
	if err != nil {
		return nil
	}
	words[0] = found
	return &Pager{p: p, Args: words}
}

func (g *Pager) Write(b []byte) (int, error) { return g.buf.Write(b) }

// Finish shows what was collected and waits until the user has read it.
func (g *Pager) Finish(ctx context.Context) {
	less := g.p.Getenv("SYSTEMD_LESS")
	if less == "" {
		less = "FRSXMK"
	}
	env := append(append([]string(nil), g.p.Env...), "LESS="+less, "LESSCHARSET=utf-8")
	child, err := g.p.Start(host.Cmd{Path: g.Args[0], Args: g.Args, Env: env, Stdin: bytes.NewReader(g.buf.Bytes()), Stdout: g.p.Stdout, Stderr: g.p.Stderr})
	if err != nil {
		io.Copy(g.p.Stdout, &g.buf)
		return
	}
	child.Wait(ctx)
}
