package cron

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// leftovers are endings of names that are not programs.
var leftovers = []string{"~", ",", ".cfsaved", ".rpmsave", ".rpmorig", ".rpmnew", ".swp", ",v"}

// RunParts is /usr/bin/run-parts of the package crontabs: it runs the programs
// in a directory in the order of their names.
func RunParts(ctx context.Context, p *host.Proc) int {
	args := p.Args[1:]
	list, test := false, false
	for len(args) > 0 && strings.HasPrefix(args[0], "--") {
		list = list || args[0] == "--list"
		test = test || args[0] == "--test"
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(p.Stderr, "Usage: run-parts [--list | --test] <dir>")
		return 1
	}
	dir := args[0]
	if info, err := p.Sys.Stat(libc.Abs(p, dir)); err != nil || !info.IsDir() {
		fmt.Fprintf(p.Stderr, "Not a directory: %s\n", dir)
		return 1
	}
	names, err := libc.ReadDir(p, libc.Abs(p, dir))
	if err != nil {
		fmt.Fprintf(p.Stderr, "%s: %s\n", dir, libc.Strerror(err))
		return 1
	}
	for _, name := range names {
		file := path.Join(dir, name)
		full := libc.Abs(p, file)
		info, err := p.Sys.Stat(full)
		if err != nil || info.IsDir() || skipped(name) || info.Mode()&0o111 == 0 {
			continue
		}
		switch {
		case list, test:
			fmt.Fprintln(p.Stdout, file)
			continue
		}
		runPart(ctx, p, dir, file, full)
		if ctx.Err() != nil {
			return 1
		}
	}
	return 0
}

func skipped(name string) bool {
	for _, l := range leftovers {
		if strings.HasSuffix(name, l) {
			return true
		}
	}
	return strings.HasPrefix(name, ".")
}

// runPart runs one program. What it writes stands below its name.
func runPart(ctx context.Context, p *host.Proc, dir, file, full string) {
	log := func(what string) {
		// A host without a log goes on.
		_ = libc.Syslog(p, syslog.Make(syslog.Cron, syslog.Notice), "run-parts", p.PID, fmt.Sprintf("(%s) %s %s", dir, what, path.Base(file)))
	}
	log("starting")
	w := &titled{w: p.Stdout, title: file + ":\n\n"}
	child, err := p.Start(host.Cmd{Path: full, Args: []string{full}, Stdin: bytes.NewReader(nil), Stdout: w, Stderr: w})
	if err != nil {
		fmt.Fprintf(w, "run-parts: %s: %s\n", file, libc.Strerror(err))
	} else if _, err := child.Wait(ctx); err != nil {
		return
	}
	log("finished")
}

// titled writes a title before the first text.
type titled struct {
	mu    sync.Mutex // a program's stdout and stderr both end here
	w     io.Writer
	title string
}

func (t *titled) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.title != "" && len(b) > 0 {
		io.WriteString(t.w, t.title)
		t.title = ""
	}
	return t.w.Write(b)
}
