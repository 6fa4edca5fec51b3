// Package launch makes of a command of a unit what it takes to start it as a
// process: who, where, with which variables, directories and files, on what terms
// (systemd.exec(5)). It keeps nothing and knows no unit in memory; that is pid1's.
package launch

import (
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/unitfile"
)

// NotifySocket is where PID 1 listens to the messages of services (sd_notify(3)).
const NotifySocket = "/run/systemd/notify"

// Unit is what of a unit its commands are started by.
type Unit struct {
	Name   string
	Config *unitfile.Config
	Env    []string // of PID 1: what every process gets
	Run    []string // of this run of the unit: variables that its files do not set
}

// Prepared is what a command is started by.
type Prepared struct {
	Cmd      host.Cmd
	Cred     *host.Cred // whom User= and Group= name; nil without
	Exit     int        // when it cannot be started: the exit status that says why
	Err      error      // when there is nothing to start at all: what kept the files of the environment from being read
	Problems []string   // what is wrong with them otherwise
}

// Prepare says how to start a command. It makes the directories that the unit wants.
func (u Unit) Prepare(p *host.Proc, c unitfile.Command) (r Prepared) {
	v := u.Config.Service
	fail := func(code int) Prepared { r.Exit = code; return r }
	cred := &host.Cred{}
	home, login, shell := "/root", "root", "/bin/bash"
	if v.User != "" {
		a, ok := libc.UserByName(p, v.User)
		if !ok {
			return fail(unitfile.ExitUser)
		}
		cred = libc.CredOf(p, a)
		home, login, shell = a.Dir, a.Name, a.Shell
	}
	if v.Group != "" {
		g, ok := libc.GroupByName(p, v.Group)
		if !ok {
			return fail(unitfile.ExitGroup)
		}
		cred.GID = g.GID
	}
	for _, name := range v.Supplementary {
		g, ok := libc.GroupByName(p, name)
		if !ok {
			return fail(unitfile.ExitGroup)
		}
		cred.Groups = append(cred.Groups, g.GID)
	}
	if v.User != "" || v.Group != "" {
		r.Cred = cred
	}
	env := append(slices.Clone(u.Env), makeDirs(p, v, cred)...)
	if v.User != "" {
		env = append(env, "HOME="+home, "LOGNAME="+login, "USER="+login, "SHELL="+shell)
	}
	if v.NotifyAccess != "none" {
		env = append(env, "NOTIFY_SOCKET="+NotifySocket)
	}
	if v.Watchdog > 0 && v.Watchdog != calendar.Forever {
		env = append(env, "WATCHDOG_USEC="+strconv.FormatInt(v.Watchdog.Microseconds(), 10))
	}
	env = append(env, u.Run...)
	for _, name := range v.PassEnv {
		for _, e := range p.Env {
			if strings.HasPrefix(e, name+"=") {
				env = append(env, e)
			}
		}
	}
	for _, e := range v.Environment {
		if strings.Contains(e, "=") {
			env = append(env, e)
		}
	}
	for _, name := range v.EnvFiles {
		name, optional := strings.CutPrefix(name, "-")
		data, err := libc.ReadFile(p, name)
		if err != nil && !optional {
			r.Err = err
			return r
		}
		set, bad := unitfile.ParseEnvFile(data)
		for _, line := range bad {
			r.Problems = append(r.Problems, "Ignoring invalid environment assignment '"+line+"': "+name)
		}
		env = append(env, set...)
	}
	env = slices.DeleteFunc(env, func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains(v.UnsetEnv, name) || slices.Contains(v.UnsetEnv, e)
	})
	dir := v.Dir
	switch dir {
	case "":
		dir = "/"
	case "~":
		dir = home
	}
	if info, err := p.Sys.Stat(dir); err != nil || !info.IsDir() {
		if !v.DirOptional {
			return fail(unitfile.ExitChdir)
		}
		dir = "/"
	}
	args := c.Argv
	if !c.Raw {
		args = unitfile.Expand(c.Argv, env)
	}
	if c.Full {
		cred = &host.Cred{}
	}
	r.Cmd = host.Cmd{Path: c.Path, Args: args, Env: env, Dir: dir, Cred: cred, Umask: v.Umask, Session: true, Terms: termsOf(u.Config.Settings)}
	return r
}

// makeDirs makes RuntimeDirectory= and its kin and returns the variables that
// name them.
func makeDirs(p *host.Proc, v *unitfile.Service, cred *host.Cred) (env []string) {
	for _, d := range []struct {
		key, variable, base string
		names               []string
	}{
		{"RuntimeDirectory", "RUNTIME_DIRECTORY", "/run", v.RuntimeDirs}, {"StateDirectory", "STATE_DIRECTORY", "/var/lib", v.StateDirs},
		{"CacheDirectory", "CACHE_DIRECTORY", "/var/cache", v.CacheDirs}, {"LogsDirectory", "LOGS_DIRECTORY", "/var/log", v.LogsDirs},
		{"ConfigurationDirectory", "CONFIGURATION_DIRECTORY", "/etc", v.ConfigDirs},
	} {
		var made []string
		for _, n := range d.names {
			dir := path.Join(d.base, n)
			made = append(made, dir)
			if libc.MkdirAll(p, dir, 0o755) != nil {
				continue
			}
			if mode, ok := v.DirModes[d.key]; ok {
				p.Sys.Chmod(dir, os.FileMode(mode))
			}
			if d.base != "/etc" {
				p.Sys.Chown(dir, cred.UID, cred.GID)
			}
		}
		if len(made) > 0 {
			env = append(env, d.variable+"="+strings.Join(made, ":"))
		}
	}
	return env
}

// Environ is what PID 1 gives every process by itself: the language of
// /etc/locale.conf and a search path.
func Environ(p *host.Proc) []string {
	lang := "C.UTF-8"
	data, _ := libc.ReadFile(p, "/etc/locale.conf")
	for _, e := range unitfile.ParseEnv(data) {
		if v, ok := strings.CutPrefix(e, "LANG="); ok && v != "" {
			lang = v
			break
		}
	}
	return []string{"LANG=" + lang, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
}
