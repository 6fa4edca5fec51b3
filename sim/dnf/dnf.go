package dnf

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// run is one run of dnf(8).
type run struct {
	*system
	ctx       context.Context
	yes, no   bool
	quiet     bool
	cacheOnly bool
	verbose   bool
	width     int      // of the terminal
	tty       bool     // the output is one
	on, off   []string // --enablerepo, --disablerepo
	exclude   []string
	command   []string // as the history has it
	repos     []repoFile
}

// New returns dnf over a distribution; it is /usr/bin/dnf, and yum is a link to it.
func New(repo Repo) host.Program {
	return func(ctx context.Context, p *host.Proc) int {
		r := &run{ctx: ctx, width: defaultWidth, command: p.Args[1:]}
		if t, ok := libc.Terminal(p.Stdout); ok {
			r.tty = true
			if _, columns := t.Size(); columns > 0 {
				r.width = columns
			}
		}
		var words []string
		args := p.Args[1:]
		for i := 0; i < len(args); i++ {
			a := args[i]
			name, value, given := strings.Cut(a, "=")
			if valued[name] && !given {
				if i++; i == len(args) {
					fmt.Fprintf(p.Stderr, "usage: dnf [options] COMMAND\ndnf: error: argument %s: expected one argument\n", name)
					return 2
				}
				value = args[i]
			}
			switch {
			case name == "--enablerepo" || name == "--enable-repo":
				r.on = append(r.on, strings.Split(value, ",")...)
			case name == "--disablerepo" || name == "--disable-repo":
				r.off = append(r.off, strings.Split(value, ",")...)
			case name == "--repo" || name == "--repoid":
				r.off, r.on = append(r.off, "*"), append(r.on, strings.Split(value, ",")...)
			case name == "-x" || name == "--exclude" || name == "--excludepkgs":
				r.exclude = append(r.exclude, strings.Split(value, ",")...)
			case name == "--installroot":
				fmt.Fprintln(p.Stderr, "dnf: option --installroot is not modelled in this lab")
				return 1
			case valued[name], harmless[a]:
			case a == "-v" || a == "--verbose":
				r.verbose = true
			case a == "--refresh":
				_ = p.Sys.Remove(cacheFile) // it is fetched anew
			case a == "-y" || a == "--assumeyes":
				r.yes = true
			case a == "--assumeno":
				r.no = true
			case a == "-q" || a == "--quiet":
				r.quiet = true
			case a == "-C" || a == "--cacheonly":
				r.cacheOnly = true
			case a == "--version":
				fmt.Fprintln(p.Stdout, "4.14.0")
				return 0
			case a == "-h" || a == "--help":
				words = []string{"help"}
			case len(a) > 2 && a[0] == '-' && a[1] != '-' && strings.Trim(a[1:], "yq") == "":
				r.yes, r.quiet = r.yes || strings.Contains(a, "y"), r.quiet || strings.Contains(a, "q")
			case strings.HasPrefix(a, "-") && len(words) == 0:
				fmt.Fprintf(p.Stderr, "usage: dnf [options] COMMAND\ndnf: error: unrecognized arguments: %s\n", a)
				return 2
			default:
				words = append(words, a)
			}
		}
		r.system = newSystem(p, repo)
		if len(words) == 0 {
			words = []string{"help"}
		}
		return r.obey(words[0], words[1:])
	}
}

// valued are options that take a value, harmless ones that change nothing here.
var (
	valued = map[string]bool{"--enablerepo": true, "--disablerepo": true, "--enable-repo": true, "--disable-repo": true, "--repo": true, "--repoid": true,
		"-x": true, "--exclude": true, "--excludepkgs": true, "--setopt": true, "--releasever": true, "-d": true, "--debuglevel": true, "-e": true,
		"--errorlevel": true, "-R": true, "--randomwait": true, "-c": true, "--config": true, "--installroot": true, "--color": true, "--comment": true,
		"--forcearch": true, "--disableplugin": true, "--enableplugin": true}
	harmless = map[string]bool{"--nogpgcheck": true, "--best": true, "-b": true, "--nobest": true, "--skip-broken": true, "--allowerasing": true,
		"--noplugins": true, "--nodocs": true, "--obsoletes": true, "-4": true, "-6": true, "--noautoremove": true}
)

const helpText = `usage: dnf [options] COMMAND

List of Main Commands of this lab:

autoremove                remove all unneeded packages that were originally installed as dependencies
check-update              check for available package upgrades
clean                     remove cached data
info                      display details about a package or group of packages
install                   install a package or packages on your system
list                      list a package or groups of packages
makecache                 generate the metadata cache
provides                  find what package provides the given value
reinstall                 reinstall a package
remove                    remove a package or packages from your system
repolist                  display the configured software repositories
repoquery                 search for packages matching keyword
search                    search package details for the given string
upgrade                   upgrade a package or packages on your system
`

func (r *run) obey(name string, args []string) int {
	switch name {
	case "help":
		io.WriteString(r.p.Stdout, helpText)
		return 0
	case "repolist":
		return r.repolist(args)
	case "repoinfo":
		r.verbose = true
		return r.repolist(args)
	case "history":
		return r.history(args)
	case "deplist":
		return r.deplist(args)
	case "group", "grouplist", "groups", "groupinstall":
		if !r.metadata(r.p.Stdout) {
			return 1
		}
		return r.error("No group data available for configured repositories.")
	case "clean":
		// A cache that is not there is clean.
		_ = r.p.Sys.Remove(cacheFile)
		fmt.Fprintln(r.p.Stdout, "0 files removed")
		return 0
	case "list":
		return r.list(args)
	case "info":
		return r.info(args)
	case "search":
		return r.search(args)
	case "provides", "whatprovides":
		return r.provides(args)
	case "repoquery":
		return r.repoquery(args)
	case "check":
		return 0
	case "makecache", "check-update", "upgrade", "update", "downgrade", "distro-sync", "mark", "install", "reinstall", "remove", "erase", "autoremove":
	default:
		fmt.Fprintf(r.p.Stderr, "No such command: %s. Please use /usr/bin/dnf --help\nIt could be a DNF plugin command, try: \"dnf install 'dnf-command(%s)'\"\n", name, name)
		return 1
	}
	if r.p.UID != 0 && name != "check-update" && name != "makecache" {
		return r.error("This command has to be run with superuser privileges (under the root user on most systems).")
	}
	switch name {
	case "makecache":
		// It asks anew even when the cache is fresh.
		_ = r.p.Sys.Remove(cacheFile)
		if !r.metadata(r.p.Stdout) {
			return 1
		}
		fmt.Fprintln(r.p.Stdout, "Metadata cache created.")
		return 0
	case "check-update":
		if !r.metadata(r.p.Stdout) {
			return 1
		}
		return 0
	case "install":
		return r.install(args)
	case "reinstall":
		return r.reinstall(args)
	case "remove", "erase":
		return r.remove(args)
	case "autoremove":
		if !r.metadata(r.p.Stdout) {
			return 1
		}
		return r.erase(nil, r.unused(map[string]bool{}))
	}
	if name == "mark" {
		return r.mark(args)
	}
	// upgrade and downgrade: there is one version of each.
	if !r.metadata(r.p.Stdout) {
		return 1
	}
	unknown := false
	for _, a := range args {
		if !slices.ContainsFunc(r.all, func(p Package) bool { return p.is(a) }) {
			r.noMatch(a)
			unknown = true
		}
	}
	if unknown {
		return r.error("No packages marked for upgrade.")
	}
	return r.nothing()
}

// noMatch tells of an argument that means no package.
func (r *run) noMatch(a string) {
	if r.tty {
		a = bold + a + plain
	}
	fmt.Fprintf(r.p.Stdout, "No match for argument: %s\n", a)
}

func (r *run) error(text string) int {
	fmt.Fprintln(r.p.Stderr, "Error: "+text)
	return 1
}

func (r *run) say(format string, args ...any) {
	if !r.quiet {
		fmt.Fprintf(r.p.Stdout, format, args...)
	}
}

func (r *run) nothing() int {
	r.say("Dependencies resolved.\nNothing to do.\nComplete!\n")
	return 0
}

// repoFile is a section of a .repo file (dnf.conf(5)).
type repoFile struct {
	id, name, baseURL string
	file              string
	enabled           bool
}

const repoDir = "/etc/yum.repos.d"

// readRepos reads the repositories of the host, by id.
func (r *run) readRepos() {
	names, err := libc.ReadDir(r.p, repoDir)
	if err != nil {
		return
	}
	for _, n := range names {
		if !strings.HasSuffix(n, ".repo") {
			continue
		}
		file := path.Join(repoDir, n)
		text, err := libc.ReadFile(r.p, file)
		if err != nil {
			continue
		}
		repos, ok := parseRepos(string(text))
		if !ok {
			fmt.Fprintf(r.p.Stderr, "Warning: failed loading '%s', skipping.\n", file)
			continue
		}
		for i := range repos {
			repos[i].file = file
			for _, change := range []struct {
				ids []string
				on  bool
			}{{r.off, false}, {r.on, true}} {
				if slices.ContainsFunc(change.ids, func(id string) bool { return match(id, repos[i].id) }) {
					repos[i].enabled = change.on
				}
			}
		}
		r.repos = append(r.repos, repos...)
	}
	slices.SortFunc(r.repos, func(a, b repoFile) int { return strings.Compare(a.id, b.id) })
}

// parseRepos reads a .repo file; ok is false for one that is not of its form.
func parseRepos(text string) (repos []repoFile, ok bool) {
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if id, ok := strings.CutPrefix(line, "["); ok {
			if !strings.HasSuffix(id, "]") {
				return nil, false
			}
			repos = append(repos, repoFile{id: strings.TrimSuffix(id, "]"), enabled: true})
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || len(repos) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		repo, value := &repos[len(repos)-1], strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "name":
			repo.name = strings.NewReplacer("$releasever", "9", "$basearch", "x86_64").Replace(value)
		case "baseurl", "mirrorlist", "metalink":
			repo.baseURL = value
		case "enabled":
			repo.enabled = value == "1" || strings.EqualFold(value, "true") || strings.EqualFold(value, "yes")
		}
	}
	return repos, true
}

// enabled returns the repositories that count.
func (r *run) enabled() []repoFile {
	if r.repos == nil {
		r.readRepos()
	}
	var on []repoFile
	for _, repo := range r.repos {
		if repo.enabled {
			on = append(on, repo)
		}
	}
	return on
}

// Metadata is fresh for two days.
const (
	cacheFile = "/var/cache/dnf/expires"
	freshFor  = 48 * time.Hour
)

// metadata fetches what repositories have, or tells how old it is.
func (r *run) metadata(w io.Writer) bool {
	on := r.enabled()
	if len(on) == 0 {
		r.error(`There are no enabled repositories in "/etc/yum.repos.d", "/etc/yum/repos.d", "/etc/distro.repos.d".`)
		return false
	}
	now := r.p.Now()
	if info, err := r.p.Sys.Stat(cacheFile); err == nil && now.Sub(info.ModTime()) >= 0 && now.Sub(info.ModTime()) < freshFor {
		if age := now.Sub(info.ModTime()).Truncate(time.Second); age > 0 && !r.quiet {
			fmt.Fprintf(w, "Last metadata expiration check: %s ago on %s.\n", clockTime(age), info.ModTime().In(libc.Zone(r.p)).Format(time.ANSIC))
		}
		return true
	}
	if r.cacheOnly {
		r.error("Cache-only enabled but no cache for '" + on[0].id + "'")
		return false
	}
	for _, repo := range on {
		if !r.quiet {
			io.WriteString(w, download(repo.name, 3000, int64(100+r.p.Rand().IntN(300))<<10, r.width))
		}
	}
	if r.p.UID == 0 && libc.MkdirAll(r.p, path.Dir(cacheFile), 0o755) == nil {
		// Without it the next run fetches again.
		_ = libc.WriteFile(r.p, cacheFile, nil, 0o644)
	}
	return true
}

// clockTime is H:MM:SS, with days before.
func clockTime(d time.Duration) string {
	s := int(d.Seconds())
	text := fmt.Sprintf("%d:%02d:%02d", s/3600%24, s/60%60, s%60)
	switch days := s / 86400; {
	case days == 1:
		text = "1 day, " + text
	case days > 1:
		text = fmt.Sprintf("%d days, %s", days, text)
	}
	return text
}

// available reports whether a package's repository is enabled.
func (r *run) available(p Package) bool {
	return slices.ContainsFunc(r.enabled(), func(repo repoFile) bool { return repo.id == p.Repo })
}

// repolist lists repositories: the enabled ones, or what args say.
func (r *run) repolist(args []string) int {
	on := r.enabled()
	if r.verbose {
		return r.repoDetails(on)
	}
	if slices.Contains(args, "all") || slices.Contains(args, "--all") {
		return r.repoStates()
	}
	if slices.Contains(args, "disabled") || slices.Contains(args, "--disabled") {
		on = slices.DeleteFunc(slices.Clone(r.repos), func(repo repoFile) bool { return repo.enabled })
	}
	if len(on) == 0 {
		fmt.Fprintln(r.p.Stderr, "No repositories available")
		return 0
	}
	id, name := len("repo id"), len("repo name")
	for _, repo := range on {
		id, name = max(id, len(repo.id)), max(name, len(repo.name))
	}
	// The names have what the ids leave; room that is over is halved.
	id += max(r.width-(id+1)-name, 0) / 2
	fmt.Fprintf(r.p.Stdout, "%-*s %s\n", id, "repo id", "repo name")
	for _, repo := range on {
		fmt.Fprintf(r.p.Stdout, "%-*s %s\n", id, repo.id, repo.name)
	}
	return 0
}

// install installs packages by name.
func (r *run) install(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(r.p.Stderr, "usage: dnf install [options] PACKAGE [PACKAGE ...]\ndnf install: error: the following arguments are required: PACKAGE")
		return 2
	}
	if !r.metadata(r.p.Stdout) {
		return 1
	}
	var want []string
	var unknown []string
	for _, a := range args {
		if strings.HasSuffix(a, ".rpm") {
			fmt.Fprintf(r.p.Stderr, "Can not load RPM file: %s.\nCould not open: %s\n", a, a)
			return 1
		}
		found := false
		for _, p := range r.all {
			switch {
			case !p.is(a):
			case r.entry(p.Name) != nil:
				found = true
				r.say("Package %s is already installed.\n", p.nevra())
				r.entry(p.Name).dependency = false
			case r.available(p) && !slices.ContainsFunc(r.exclude, p.is):
				found = true
				if !slices.Contains(want, p.Name) {
					want = append(want, p.Name)
				}
			}
		}
		if !found {
			unknown = append(unknown, a)
			r.noMatch(a)
		}
	}
	if len(unknown) > 0 {
		return r.error("Unable to find a match: " + strings.Join(unknown, " "))
	}
	if len(want) == 0 {
		return r.nothing()
	}
	slices.Sort(want)
	seen := map[string]bool{}
	for _, w := range want {
		seen[w] = true
	}
	var order, extra []string
	for _, w := range want {
		for _, d := range r.needs(w, seen) {
			order, extra = append(order, d), append(extra, d)
		}
		order = append(order, w)
	}
	slices.Sort(extra)
	t := transaction{run: r, verb: "Install", doing: "Installing", done: "Installed", order: order,
		groups: []group{{"Installing", want}, {"Installing dependencies", extra}}}
	return t.play(func(p Package) error {
		if err := r.repo.Install(r.ctx, r.p, p.Name); err != nil {
			return err
		}
		r.have = append(r.have, installed{p.Name, p.Repo, slices.Contains(extra, p.Name), r.p.Now()})
		return nil
	})
}

func (r *run) reinstall(args []string) int {
	if !r.metadata(r.p.Stdout) {
		return 1
	}
	var want []string
	for _, p := range r.here() {
		if slices.ContainsFunc(args, p.is) && r.available(p) {
			want = append(want, p.Name)
		}
	}
	if len(want) == 0 {
		for _, a := range args {
			r.noMatch(a)
		}
		return r.error("No packages marked for reinstall.")
	}
	t := transaction{run: r, verb: "Reinstall", doing: "Reinstalling", done: "Reinstalled", order: want, groups: []group{{"Reinstalling", want}}}
	return t.play(func(p Package) error { return r.repo.Install(r.ctx, r.p, p.Name) })
}

// remove removes packages, what requires them, and what nobody needs then.
func (r *run) remove(args []string) int {
	var want []string
	for _, a := range args {
		found := false
		for _, p := range r.here() {
			if p.is(a) {
				found = true
				if !slices.Contains(want, p.Name) {
					want = append(want, p.Name)
				}
			}
		}
		if !found {
			r.noMatch(a)
		}
	}
	if len(want) == 0 {
		fmt.Fprintln(r.p.Stderr, "No packages marked for removal.")
		return r.nothing()
	}
	slices.Sort(want)
	gone := map[string]bool{}
	for _, w := range want {
		gone[w] = true
	}
	var dependent []string
	for queue := slices.Clone(want); len(queue) > 0; queue = queue[1:] {
		for _, d := range r.neededBy(queue[0], gone) {
			gone[d] = true
			dependent, queue = append(dependent, d), append(queue, d)
		}
	}
	for _, protected := range []string{"dnf", "systemd", "setup", "filesystem", "sudo"} {
		if gone[protected] {
			r.error("\n Problem: The operation would result in removing the following protected packages: " + protected)
			return 1
		}
	}
	slices.Sort(dependent)
	unused := r.unused(gone)
	return r.eraseAll([]group{{"Removing", want}, {"Removing dependent packages", dependent}, {"Removing unused dependencies", unused}})
}

// unused returns dependencies that nothing requires any more once gone has gone.
func (r *run) unused(gone map[string]bool) []string {
	var list []string
	for again := true; again; {
		again = false
		for _, p := range r.here() {
			if e := r.entry(p.Name); !gone[p.Name] && e.dependency && len(r.neededBy(p.Name, gone)) == 0 {
				gone[p.Name], again = true, true
				list = append(list, p.Name)
			}
		}
	}
	slices.Sort(list)
	return list
}

func (r *run) erase(want, unused []string) int {
	if len(want)+len(unused) == 0 {
		return r.nothing()
	}
	return r.eraseAll([]group{{"Removing", want}, {"Removing unused dependencies", unused}})
}

func (r *run) eraseAll(groups []group) int {
	var all []string
	for _, g := range groups {
		all = append(all, g.names...)
	}
	slices.Sort(all)
	t := transaction{run: r, verb: "Remove", doing: "Erasing", done: "Removed", order: r.eraseOrder(all), groups: groups, removing: true}
	return t.play(func(p Package) error {
		if err := r.repo.Remove(r.ctx, r.p, p.Name); err != nil {
			return err
		}
		r.have = slices.DeleteFunc(r.have, func(i installed) bool { return i.name == p.Name })
		return nil
	})
}

// eraseOrder puts what requires others before them.
func (r *run) eraseOrder(all []string) []string {
	var order []string
	done := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if done[name] {
			return
		}
		for _, other := range all {
			if p, _ := r.find(other); !done[other] && other != name && slices.Contains(p.Requires, name) {
				return // its turn comes after the last that requires it
			}
		}
		done[name] = true
		order = append(order, name)
		p, _ := r.find(name)
		for _, dep := range p.Requires {
			if slices.Contains(all, dep) {
				visit(dep)
			}
		}
	}
	for _, name := range all {
		visit(name)
	}
	for _, name := range all { // a circle has no first
		if !done[name] {
			done[name] = true
			order = append(order, name)
		}
	}
	return order
}
