package dnf

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/libc"
)

// historyFile is where a host notes its transactions: a line each, the newest
// last, with the fields of past between tabs.
const historyFile = "/var/lib/dnf/history"

// past is a transaction that was made.
type past struct {
	id       int
	at       time.Time
	user     string
	command  string
	verb     string
	packages []string // "nevra repository"
}

func parseHistory(text string) (all []past) {
	for _, line := range strings.Split(text, "\n") {
		f := strings.Split(line, "\t")
		if len(f) != 6 {
			continue
		}
		id, err := strconv.Atoi(f[0])
		sec, err2 := strconv.ParseInt(f[1], 10, 64)
		if err != nil || err2 != nil {
			continue
		}
		all = append(all, past{id, time.Unix(sec, 0), f[2], f[3], f[4], strings.Split(f[5], ",")})
	}
	return all
}

func (r *run) readHistory() []past {
	text, err := libc.ReadFile(r.p, historyFile)
	if err != nil {
		return nil
	}
	return parseHistory(string(text))
}

// remember appends the transaction to the history.
func (t *transaction) remember() error {
	id := 1
	if all := t.readHistory(); len(all) > 0 {
		id = all[len(all)-1].id + 1
	}
	var packages []string
	for _, p := range t.packages() {
		repo := "@" + p.Repo
		if e := t.entry(p.Name); e != nil && e.repo == "" {
			repo = "@System"
		}
		packages = append(packages, p.nevra()+" "+repo)
	}
	user, _ := libc.UserByID(t.p, t.p.RUID)
	if err := libc.MkdirAll(t.p, path.Dir(historyFile), 0o755); err != nil {
		return err
	}
	line := strings.Join([]string{strconv.Itoa(id), strconv.FormatInt(t.p.Now().Unix(), 10), user.Name + " <" + user.Name + ">",
		strings.ReplaceAll(strings.Join(t.command, " "), "\t", " "), t.verb, strings.Join(packages, ",")}, "\t")
	return libc.AppendFile(t.p, historyFile, []byte(line+"\n"), 0o644)
}

// history shows what was done, or undoes it.
func (r *run) history(args []string) int {
	all := r.readHistory()
	what := "list"
	if len(args) > 0 {
		what, args = args[0], args[1:]
	}
	switch what {
	case "list":
		return r.historyList(all)
	case "info", "undo", "redo", "rollback":
	default:
		return r.error("Invalid transaction ID or command: " + what)
	}
	if len(all) == 0 {
		return r.error("No transactions")
	}
	one := &all[len(all)-1]
	if len(args) > 0 && args[0] != "last" {
		n, err := strconv.Atoi(args[0])
		i := slices.IndexFunc(all, func(p past) bool { return p.id == n })
		if err != nil || i < 0 {
			return r.error("Transaction ID \"" + args[0] + "\" not found.")
		}
		one = &all[i]
	}
	if what == "info" {
		return r.historyInfo(one)
	}
	if what != "undo" {
		return r.error("history " + what + " is not modelled in this lab")
	}
	if r.p.UID != 0 {
		return r.error("This command has to be run with superuser privileges (under the root user on most systems).")
	}
	if !r.metadata(r.p.Stdout) {
		return 1
	}
	var names []string
	for _, p := range one.packages {
		nevra, _, _ := strings.Cut(p, " ")
		if i := slices.IndexFunc(r.all, func(p Package) bool { return p.nevra() == nevra }); i >= 0 {
			names = append(names, r.all[i].Name)
		}
	}
	switch one.verb {
	case "Install":
		names = slices.DeleteFunc(names, func(name string) bool { return r.entry(name) == nil })
		return r.erase(names, nil)
	case "Remove":
		return r.install(names)
	}
	return r.nothing()
}

func (r *run) historyList(all []past) int {
	const wide = 24 // the column of the command line
	fmt.Fprintf(r.p.Stdout, "ID     | %-*s | Date and time    | Action(s)      | Altered\n%s\n", wide, "Command line", strings.Repeat("-", r.width-1))
	for _, p := range slices.Backward(all) {
		command := p.command
		if len(command) > wide {
			command = command[:wide]
		}
		fmt.Fprintf(r.p.Stdout, "%6d | %-*s | %s | %-14s | %4d   \n", p.id, wide, command, p.at.In(libc.Zone(r.p)).Format("2006-01-02 15:04"), p.verb, len(p.packages))
	}
	return 0
}

func (r *run) historyInfo(p *past) int {
	w, at := r.p.Stdout, p.at.In(libc.Zone(r.p)).Format(time.ANSIC)
	fmt.Fprintf(w, "Transaction ID : %d\nBegin time     : %s\nEnd time       : %s (0 seconds)\nUser           : %s\nReturn-Code    : Success\nReleasever     : 9\nCommand Line   : %s\nComment        : \nPackages Altered:\n",
		p.id, at, at, p.user, p.command)
	for _, name := range p.packages {
		fmt.Fprintf(w, "    %s %s\n", p.verb, name)
	}
	return 0
}

// deplist tells what packages require, and who has it.
func (r *run) deplist(args []string) int {
	if !r.metadata(r.p.Stderr) {
		return 1
	}
	for _, p := range selected(r.all, args) {
		fmt.Fprintf(r.p.Stdout, "package: %s\n", p.nevra())
		for _, name := range p.Requires {
			fmt.Fprintf(r.p.Stdout, "  dependency: %s\n", name)
			if q, ok := r.find(name); ok {
				fmt.Fprintf(r.p.Stdout, "   provider: %s\n", q.nevra())
			}
		}
		fmt.Fprintln(r.p.Stdout)
	}
	return 0
}

// mark changes why packages are installed.
func (r *run) mark(args []string) int {
	if len(args) < 2 || args[0] != "install" && args[0] != "remove" {
		fmt.Fprintln(r.p.Stderr, "usage: dnf mark [options] {install,remove,group} PACKAGE [PACKAGE ...]")
		return 2
	}
	status := 0
	for _, name := range args[1:] {
		e := r.entry(name)
		if e == nil {
			fmt.Fprintf(r.p.Stderr, "Error:\nPackage %s is not installed.\n", name)
			status = 1
			continue
		}
		e.dependency = args[0] == "remove"
		how := "user installed"
		if e.dependency {
			how = "dependency"
		}
		fmt.Fprintf(r.p.Stdout, "%s marked as %s.\n", name, how)
	}
	if err := r.save(); err != nil {
		return r.error(StateFile + ": " + libc.Strerror(err))
	}
	return status
}

// repoDetails is repolist -v.
func (r *run) repoDetails(on []repoFile) int {
	if !r.metadata(r.p.Stderr) {
		return 1
	}
	fmt.Fprintf(r.p.Stdout, "DNF version: 4.14.0\ncachedir: %s\n", path.Dir(cacheFile))
	total := 0
	for _, repo := range on {
		var size int64
		n := 0
		for _, p := range r.all {
			if p.Repo == repo.id {
				n++
				size += p.Size
			}
		}
		total += n
		fmt.Fprintf(r.p.Stdout, "Repo-id            : %s\nRepo-name          : %s\nRepo-pkgs          : %d\nRepo-available-pkgs: %d\nRepo-size          : %s\nRepo-baseurl       : %s\nRepo-expire        : %d second(s)\nRepo-filename      : %s\n\n",
			repo.id, repo.name, n, n, human(size), repo.baseURL, int(freshFor.Seconds()), repo.file)
	}
	fmt.Fprintf(r.p.Stdout, "Total packages: %d\n", total)
	return 0
}

// repoStates is repolist --all.
func (r *run) repoStates() int {
	var values [3][]string
	var lines [][]string
	for _, repo := range r.repos {
		state := "disabled"
		if repo.enabled {
			state = "enabled"
		}
		line := []string{repo.id, repo.name, state}
		for i := range line {
			values[i] = append(values[i], line[i])
		}
		lines = append(lines, line)
	}
	head := []string{"repo id", "repo name", "status"}
	wide := columns(values[:], []int{len(head[0]), len(head[1]), len("disabled")}, r.width, 1)
	fmt.Fprintln(r.p.Stdout, strings.TrimRight(row(wide, head...), " "))
	for _, line := range lines {
		fmt.Fprintln(r.p.Stdout, strings.TrimRight(row(wide, line...), " "))
	}
	return 0
}
