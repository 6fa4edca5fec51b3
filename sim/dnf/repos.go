package dnf

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"enshu/sim/libc"
)

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
