package cron

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
)

const crontabUsage = `Usage:
 crontab [options] file
 crontab [options]
 crontab -n [hostname]

Options:
 -u <user>  define user
 -e         edit user's crontab
 -l         list user's crontab
 -r         delete user's crontab
 -i         prompt before deleting
 -n <host>  set host in cluster to run users' crontabs
 -c         get host in cluster to run users' crontabs
 -T <file>  test a crontab file syntax
 -V         print version and exit
 -x <mask>  enable debugging

Default operation is replace, per 1003.2
`

// crontab is one run of crontab(1).
type crontab struct {
	p      *host.Proc
	caller string // who runs it
	user   string // whose crontab
}

// Crontab is /usr/bin/crontab. Its executable is set-user-ID root: the tables
// belong to root.
func Crontab(ctx context.Context, p *host.Proc) int {
	usage := func(format string, args ...any) int {
		fmt.Fprintf(p.Stderr, "%s: "+format+"\n%s", append(append([]any{p.Args[0]}, args...), crontabUsage)...)
		return 1
	}
	given, files, err := libc.Getopt(p.Args[1:], "u:lerisncx:VT:", nil)
	if err != nil {
		return usage("%s", err)
	}
	c := &crontab{p: p, caller: libc.UserName(p, p.RUID)}
	c.user = c.caller
	action, ask := "", false
	var test string
	for _, o := range given {
		switch o.Name {
		case "u":
			if p.RUID != 0 {
				fmt.Fprintln(p.Stderr, "must be privileged to use -u")
				return 1
			}
			if _, ok := libc.UserByName(p, o.Value); !ok {
				return usage("user `%s' unknown", o.Value)
			}
			c.user = o.Value
		case "l", "e", "r":
			if action != "" {
				return usage("only one operation permitted")
			}
			action = o.Name
		case "i":
			ask = true
		case "T":
			action, test = "T", o.Value
		case "V":
			fmt.Fprintf(p.Stderr, "cronie %s\n", version)
			return 0
		default:
			return usage("option -%s is not modelled in this lab", o.Name)
		}
	}
	if !c.allowed() {
		fmt.Fprintf(p.Stderr, "You (%s) are not allowed to use this program (%s)\nSee crontab(1) for more information\n", c.caller, p.Args[0])
		c.log("AUTH", "crontab command not allowed")
		return 1
	}
	switch action {
	case "l":
		return c.list()
	case "r":
		return c.remove(ask)
	case "e":
		return c.edit(ctx)
	case "T":
		return c.replaceFrom(test, false)
	}
	if len(files) == 0 {
		files = []string{"-"}
	}
	return c.replaceFrom(files[0], true)
}

func (c *crontab) file() string { return path.Join(spoolDir, c.user) }

func (c *crontab) log(event, detail string) {
	logCron(c.p, "crontab", c.p.PID, c.caller, event, detail)
}

// allowed looks at /etc/cron.allow and /etc/cron.deny (crontab(1)).
func (c *crontab) allowed() bool {
	if c.p.RUID == 0 {
		return true
	}
	if text, err := libc.ReadFile(c.p, "/etc/cron.allow"); err == nil {
		return slices.Contains(libc.Lines(text), c.caller)
	}
	if text, err := libc.ReadFile(c.p, "/etc/cron.deny"); err == nil {
		return !slices.Contains(libc.Lines(text), c.caller)
	}
	return false
}

func (c *crontab) list() int {
	c.log("LIST", c.user)
	text, err := libc.ReadFile(c.p, c.file())
	if err != nil {
		fmt.Fprintf(c.p.Stderr, "no crontab for %s\n", c.user)
		return 1
	}
	c.p.Stdout.Write(text)
	return 0
}

func (c *crontab) remove(ask bool) int {
	if ask {
		fmt.Fprintf(c.p.Stdout, "crontab: really delete %s's crontab? ", c.user)
		answer, err := readLine(c.p.Stdin)
		if err != nil || !strings.HasPrefix(strings.ToLower(answer), "y") {
			return 0
		}
	}
	c.log("DELETE", c.user)
	if err := c.p.Sys.Remove(c.file()); err != nil {
		fmt.Fprintf(c.p.Stderr, "no crontab for %s\n", c.user)
		return 1
	}
	return 0
}

func (c *crontab) replaceFrom(name string, install bool) int {
	var text []byte
	var err error
	if name == "-" {
		text, err = io.ReadAll(c.p.Stdin)
	} else {
		text, err = c.readAsCaller(name)
	}
	if err != nil {
		fmt.Fprintf(c.p.Stderr, "%s: %s\n", name, libc.Strerror(err))
		return 1
	}
	if !c.right(name, string(text)) {
		if install {
			fmt.Fprintln(c.p.Stderr, "errors in crontab file, can't install.")
		} else {
			fmt.Fprintln(c.p.Stderr, "Invalid crontab file. Syntax issues were found.")
		}
		return 1
	}
	if !install {
		fmt.Fprintln(c.p.Stderr, "No syntax issues were found in the crontab file.")
		return 0
	}
	return c.install(string(text))
}

// readAsCaller reads a file only if the caller might.
func (c *crontab) readAsCaller(name string) ([]byte, error) {
	full := libc.Abs(c.p, name)
	if c.p.RUID != 0 {
		info, err := c.p.Sys.Stat(full)
		if err != nil {
			return nil, err
		}
		if uid, _ := libc.Owner(info); info.Mode()&0o004 == 0 && uid != c.p.RUID {
			return nil, fs.ErrPermission
		}
	}
	return libc.ReadFile(c.p, full)
}

// right tells the mistakes of a table.
func (c *crontab) right(name, text string) bool {
	_, bad := parseTable(text, false)
	for _, b := range bad {
		fmt.Fprintf(c.p.Stderr, "\"%s\":%d: %s\n", name, b.line, b.what)
	}
	return len(bad) == 0
}

// install puts a table into the spool and touches the directory, which crond watches.
func (c *crontab) install(text string) int {
	tmp := path.Join(spoolDir, "tmp."+c.user)
	err := libc.WriteFile(c.p, tmp, []byte(text), 0o600)
	if u, ok := libc.UserByName(c.p, c.user); err == nil && ok {
		err = c.p.Sys.Chown(tmp, u.UID, u.GID)
	}
	if err == nil {
		err = c.p.Sys.Chmod(tmp, 0o600)
	}
	if err == nil {
		err = c.p.Sys.Rename(tmp, c.file())
	}
	if err != nil {
		fmt.Fprintf(c.p.Stderr, "%s: %s\n", tmp, libc.Strerror(err))
		return 1
	}
	c.log("REPLACE", c.user)
	return 0
}

func (c *crontab) edit(ctx context.Context) int {
	c.log("BEGIN EDIT", c.user)
	text, err := libc.ReadFile(c.p, c.file())
	if err != nil {
		fmt.Fprintf(c.p.Stderr, "no crontab for %s - using an empty one\n", c.user)
		text = nil
	}
	name := fmt.Sprintf("/tmp/crontab.%06x", c.p.Rand().Uint32()&0xffffff)
	if err := libc.WriteFile(c.p, name, text, 0o600); err != nil {
		fmt.Fprintf(c.p.Stderr, "%s: %s\n", name, libc.Strerror(err))
		return 1
	}
	// Nobody misses it.
	defer c.p.Sys.Remove(name)
	caller, _ := libc.UserByID(c.p, c.p.RUID)
	if err := c.p.Sys.Chown(name, caller.UID, caller.GID); err != nil {
		fmt.Fprintf(c.p.Stderr, "%s: %s\n", name, libc.Strerror(err))
		return 1
	}
	editor := c.p.Getenv("VISUAL")
	if editor == "" {
		editor = c.p.Getenv("EDITOR")
	}
	if editor == "" {
		editor = "/usr/bin/vi"
	}
	for {
		child, err := c.p.Start(host.Cmd{
			Path: "/bin/sh", Args: []string{"sh", "-c", editor + " " + name}, Cred: libc.CredOf(c.p, caller), Dir: "/tmp",
			Stdin: c.p.Stdin, Stdout: c.p.Stdout, Stderr: c.p.Stderr,
		})
		if err != nil {
			fmt.Fprintf(c.p.Stderr, "%s: %s\n", editor, libc.Strerror(err))
			return 1
		}
		st, err := child.Wait(ctx)
		if err != nil || !st.Success() {
			fmt.Fprintf(c.p.Stderr, "crontab: \"%s\" exited with status %d\n", editor, st.Shell())
			return 1
		}
		edited, err := libc.ReadFile(c.p, name)
		if err != nil {
			fmt.Fprintf(c.p.Stderr, "%s: %s\n", name, libc.Strerror(err))
			return 1
		}
		if string(edited) == string(text) {
			fmt.Fprintln(c.p.Stderr, "crontab: no changes made to crontab")
			c.log("END EDIT", c.user)
			return 0
		}
		fmt.Fprintln(c.p.Stderr, "crontab: installing new crontab")
		if c.right(name, string(edited)) {
			status := c.install(string(edited))
			c.log("END EDIT", c.user)
			return status
		}
		fmt.Fprintln(c.p.Stderr, "errors in crontab file, can't install.")
		fmt.Fprint(c.p.Stdout, "Do you want to retry the same edit? (Y/N) ")
		answer, err := readLine(c.p.Stdin)
		if err != nil || !strings.HasPrefix(strings.ToLower(answer), "y") {
			fmt.Fprintf(c.p.Stderr, "crontab: edits left in %s\n", name)
			return 1
		}
	}
}

// readLine reads up to a line feed and no further.
func readLine(r io.Reader) (string, error) {
	var line []byte
	var b [1]byte
	for len(line) < 1<<12 {
		n, err := r.Read(b[:])
		if n == 1 {
			if b[0] == '\n' {
				break
			}
			line = append(line, b[0])
		}
		if err != nil {
			return string(line), err
		}
	}
	return string(line), nil
}
