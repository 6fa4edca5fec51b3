package mailoracle

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// tool is the little of coreutils that looks at files' owners and modes.
func tool(ctx context.Context, p *host.Proc) int {
	name := path.Base(p.Args[0])
	var options string
	var args []string
	for _, a := range p.Args[1:] {
		if strings.HasPrefix(a, "-") && len(a) > 1 && name != "find" {
			options += a[1:]
		} else {
			args = append(args, a)
		}
	}
	fail := func(text, file string, err error) int {
		fmt.Fprintf(p.Stderr, "%s: %s '%s': %s\n", name, text, file, libc.Strerror(err))
		return 1
	}
	switch name {
	case "sleep":
		d, _ := strconv.ParseFloat(args[0], 64)
		p.Sleep(ctx, time.Duration(d*float64(time.Second)))
	case "id":
		fmt.Fprintln(p.Stdout, libc.UserName(p, p.UID))
	case "env":
		for _, e := range p.Env {
			fmt.Fprintln(p.Stdout, e)
		}
	case "touch":
		for _, a := range args {
			libc.AppendFile(p, libc.Abs(p, a), nil, 0o644)
		}
	case "mkdir":
		mode := fs.FileMode(0o755)
		for i, a := range args {
			if n, err := strconv.ParseUint(a, 8, 32); err == nil && i == 0 && strings.Contains(options, "m") {
				mode = fs.FileMode(n & 0o777)
				if n&0o1000 != 0 {
					mode |= fs.ModeSticky
				}
				continue
			}
			libc.MkdirAll(p, libc.Abs(p, a), mode)
			p.Sys.Chmod(libc.Abs(p, a), mode)
		}
	case "rm", "rmdir":
		for _, a := range args {
			if err := p.Sys.Remove(libc.Abs(p, a)); err != nil && !strings.Contains(options, "f") {
				return fail("cannot remove", a, err)
			}
		}
	case "mv":
		if err := p.Sys.Rename(libc.Abs(p, args[0]), libc.Abs(p, args[1])); err != nil {
			return fail("cannot move", args[0], err)
		}
	case "chmod":
		for _, a := range args[1:] {
			a = libc.Abs(p, a)
			info, err := p.Sys.Stat(a)
			if err != nil {
				return fail("cannot access", a, err)
			}
			mode := info.Mode()
			switch m := args[0]; m {
			case "g+w":
				mode |= 0o020
			case "o+w":
				mode |= 0o002
			case "g-s":
				mode &^= fs.ModeSetgid
			default:
				n, _ := strconv.ParseUint(m, 8, 32)
				mode = fs.FileMode(n)
			}
			p.Sys.Chmod(a, mode&(fs.ModePerm|fs.ModeSetgid|fs.ModeSetuid|fs.ModeSticky))
		}
	case "chown":
		user, group, _ := strings.Cut(args[0], ":")
		u, _ := libc.UserByName(p, user)
		gid := -1
		if g, ok := libc.GroupByName(p, group); ok {
			gid = g.GID
		}
		for _, a := range args[1:] {
			p.Sys.Chown(libc.Abs(p, a), u.UID, gid)
		}
	case "ls":
		return list(p, options, args)
	case "find":
		walk(p, args)
	}
	return 0
}

func list(p *host.Proc, options string, args []string) int {
	status := 0
	if len(args) == 0 {
		args = []string{"."}
	}
	for _, a := range args {
		info, err := p.Sys.Lstat(libc.Abs(p, a))
		if err != nil {
			fmt.Fprintf(p.Stderr, "ls: cannot access '%s': %s\n", a, libc.Strerror(err))
			status = 2
			continue
		}
		if info.IsDir() && !strings.Contains(options, "d") {
			names, _ := libc.ReadDir(p, libc.Abs(p, a))
			for _, n := range names {
				fmt.Fprintln(p.Stdout, n)
			}
			continue
		}
		if strings.Contains(options, "l") {
			st := info.Sys().(*syscall.Stat_t)
			kind := "-"
			if info.IsDir() {
				kind = "d"
			}
			fmt.Fprintf(p.Stdout, "%s%s 1 %s %s %d Nov 22 09:51 %s\n", kind, info.Mode().Perm().String()[1:], libc.UserName(p, int(st.Uid)), groupName(p, int(st.Gid)), info.Size(), a)
			continue
		}
		fmt.Fprintln(p.Stdout, a)
	}
	return status
}

func groupName(p *host.Proc, gid int) string {
	for _, g := range libc.Groups(p) {
		if g.GID == gid {
			return g.Name
		}
	}
	return strconv.Itoa(gid)
}

func walk(p *host.Proc, args []string) {
	onlyDirs := len(args) > 2 && args[1] == "-type" && args[2] == "d"
	var visit func(name string)
	visit = func(name string) {
		info, err := p.Sys.Lstat(libc.Abs(p, name))
		if err != nil {
			return
		}
		if !onlyDirs || info.IsDir() {
			fmt.Fprintln(p.Stdout, name)
		}
		if info.IsDir() {
			names, _ := libc.ReadDir(p, libc.Abs(p, name))
			for _, n := range names {
				visit(name + "/" + n)
			}
		}
	}
	visit(args[0])
}
