package dnf

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"enshu/sim/libc"
)

// group is a part of a transaction's table.
type group struct {
	title string
	names []string
}

// transaction is a change of the installed packages.
type transaction struct {
	*run
	verb, doing, done string
	groups            []group
	order             []string
	removing          bool
}

// play shows the transaction, asks, and makes the change with each.
func (t *transaction) play(each func(Package) error) int {
	t.say("Dependencies resolved.\n")
	t.table()
	if !t.confirm() {
		fmt.Fprintln(t.p.Stderr, "Operation aborted.")
		return 1
	}
	if !t.removing {
		t.download()
	}
	t.say("Running transaction check\nTransaction check succeeded.\nRunning transaction test\nTransaction test succeeded.\nRunning transaction\n")
	t.progress("Preparing", "", 1, 1)
	n := len(t.order)
	reinstall := t.verb == "Reinstall"
	if reinstall {
		n *= 2
	}
	for i, name := range t.order {
		p, _ := t.find(name)
		before, after := p.Before, p.After
		if t.removing {
			before, after = p.BeforeRemove, p.AfterRemove
		}
		if before {
			t.progress("Running scriptlet", p.nevra(), i+1, n)
		}
		if err := each(p); err != nil {
			t.progress("Error", p.nevra(), i+1, n)
			return t.error(fmt.Sprintf("Transaction failed: %s: %s", p.nevra(), libc.Strerror(err)))
		}
		t.progress(t.doing, p.nevra(), i+1, n)
		if after {
			t.progress("Running scriptlet", p.nevra(), i+1, n)
		}
	}
	for i, name := range t.order {
		if p, _ := t.find(name); reinstall {
			t.progress("Cleanup", p.nevra(), len(t.order)+i+1, n)
		}
	}
	if err := t.remember(); err != nil {
		return t.error(fmt.Sprintf("%s: %s", historyFile, libc.Strerror(err)))
	}
	if err := t.save(); err != nil {
		return t.error(fmt.Sprintf("%s: %s", StateFile, libc.Strerror(err)))
	}
	checked := t.packages()
	slices.SortFunc(checked, func(a, b Package) int {
		if t.removing {
			return strings.Compare(a.Name, b.Name)
		}
		return strings.Compare(a.Repo+" "+a.Name, b.Repo+" "+b.Name)
	})
	if reinstall {
		checked = append(checked, checked...)
	}
	for i, p := range checked {
		t.progress("Verifying", p.nevra(), i+1, n)
	}
	var names []string
	for _, p := range t.packages() {
		names = append(names, p.nevra())
	}
	slices.Sort(names)
	fmt.Fprintf(t.p.Stdout, "\n%s:\n%s\n", t.done, inColumns(names, t.width))
	t.say("Complete!\n")
	return 0
}

// Escape sequences of a terminal.
const (
	bold  = "\x1b[1m"
	plain = "\x1b(B\x1b[m"
)

// colour is how the names of packages are shown on a terminal.
func (t *transaction) colour() string {
	if t.removing {
		return "\x1b[31m"
	}
	return bold + "\x1b[32m"
}

func (t *transaction) packages() []Package {
	var list []Package
	for _, g := range t.groups {
		for _, name := range g.names {
			p, _ := t.find(name)
			list = append(list, p)
		}
	}
	return list
}

// progress is one line of a running transaction.
func (t *transaction) progress(doing, what string, i, n int) {
	count := fmt.Sprintf("%d/%d", i, n)
	start := ""
	if t.tty {
		start = "\r"
	}
	t.say("%s  %-17s: %-*s %s \n", start, doing, t.width-2-17-2-len(count)-2, what, count)
}

func (t *transaction) size(p Package) int64 {
	if t.removing {
		return p.InstalledSize
	}
	return p.Size
}

func (t *transaction) table() {
	if t.quiet && t.yes {
		return
	}
	var values [5][]string
	arch := 0
	var lines [][]string
	for _, p := range t.packages() {
		repo := p.Repo
		if t.removing {
			repo = "@System"
			if e := t.entry(p.Name); e != nil && e.repo != "" {
				repo = "@" + e.repo
			}
		}
		lines = append(lines, []string{p.Name, p.Arch, p.evr(), repo, human(t.size(p))})
		values[0], values[2], values[3] = append(values[0], p.Name), append(values[2], p.evr()), append(values[3], repo)
		arch = max(arch, len(p.Arch))
	}
	wide := columns(values[:], []int{1, arch, 1, 1, 5}, t.width-2, 2)
	wide[4] = -wide[4]
	rule := strings.Repeat("=", t.width)
	w := t.p.Stdout
	fmt.Fprintf(w, "%s\n %s\n%s\n", rule, row(wide, "Package", "Architecture", "Version", "Repository", "Size"), rule)
	i := 0
	var total, disk int64
	for _, g := range t.groups {
		if len(g.names) > 0 {
			fmt.Fprintln(w, g.title+":")
		}
		for range g.names {
			text := row(wide, lines[i]...)
			if n := max(wide[0], len(lines[i][0])); t.tty { // the name stands out
				text = t.colour() + text[:n] + plain + text[n:]
			}
			fmt.Fprintln(w, " "+text)
			i++
		}
	}
	for _, p := range t.packages() {
		total += p.Size
		disk += p.InstalledSize
	}
	fmt.Fprintf(w, "\nTransaction Summary\n%s\n", rule)
	if t.verb != "Reinstall" {
		plural := "s"
		if i == 1 {
			plural = ""
		}
		fmt.Fprintf(w, "%s  %d Package%s\n", t.verb, i, plural)
	}
	if t.removing {
		fmt.Fprintf(w, "\nFreed space: %s\n", human(disk))
		return
	}
	fmt.Fprintf(w, "\nTotal download size: %s\nInstalled size: %s\n", human(total), human(disk))
}

// confirm asks, unless the answer was given on the command line.
func (t *transaction) confirm() bool {
	if t.yes {
		return true
	}
	// The end of the input ends the asking, whatever is typed before.
	for ok := true; ok; {
		io.WriteString(t.p.Stdout, "Is this ok [y/N]: ")
		if t.no {
			return false
		}
		var line string
		line, ok = readLine(t.p.Stdin)
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return true
		case "", "n", "no":
			return false
		}
	}
	return false
}

// readLine reads up to a line feed and no further; ok is false at the end of the
// input.
func readLine(r io.Reader) (line string, ok bool) {
	var text []byte
	var b [1]byte
	for len(text) < 1<<12 {
		n, err := r.Read(b[:])
		if n == 1 {
			if b[0] == '\n' {
				return string(text), true
			}
			text = append(text, b[0])
		}
		if err != nil {
			return string(text), false
		}
	}
	return string(text), true
}

// download shows the packages that are fetched.
func (t *transaction) download() {
	if t.quiet {
		return
	}
	list := t.packages()
	slices.SortFunc(list, func(a, b Package) int { return strings.Compare(a.Repo+" "+a.Name, b.Repo+" "+b.Name) })
	w := t.p.Stdout
	fmt.Fprintln(w, "Downloading Packages:")
	var total int64
	for i, p := range list {
		what := p.nvra() + ".rpm"
		if len(list) > 1 {
			what = fmt.Sprintf("(%d/%d): %s", i+1, len(list), what)
		}
		io.WriteString(w, download(what, p.Size, int64(20+t.p.Rand().IntN(80))<<20, t.width))
		total += p.Size
	}
	fmt.Fprintln(w, strings.Repeat("-", t.width))
	io.WriteString(w, strings.TrimSuffix(download("Total", total, int64(20+t.p.Rand().IntN(80))<<20, t.width), "\n")+" \n")
}
