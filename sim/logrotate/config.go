package logrotate

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// maxNesting is how deep includes may go.
const maxNesting = 16

// removing is what -v tells of a block that is given up.
const removing = "removing last 1 log configs\n"

// errAbort stops the reading of a file, after its message was written.
var errAbort = errors.New("configuration file given up")

// taboos are the names that are passed over in an included directory.
var taboos = []string{"*,v", "*.cfsaved", "*.bak", "*.disabled", "*.dpkg-bak", "*.dpkg-del", "*.dpkg-dist", "*.dpkg-new",
	"*.dpkg-old", "*.dpkg-tmp", "*.rhn-cfg-tmp-*", "*.rpmnew", "*.rpmorig", "*.rpmsave", "*.swp", "*.ucf-dist", "*.ucf-new",
	"*.ucf-old", "*~"}

// config reads configuration files.
type config struct {
	p      *host.Proc
	out    *messages
	global set
	base   *set // what directives outside of a block change: global, or the block that includes the file
	sets   []*set
	known  map[string]*set // the logs of all sets
	taboos []string
	depth  int
}

// read reads a file or a directory of files. It reports whether all was right.
func (c *config) read(name, dir string) bool {
	full := name
	if !strings.HasPrefix(full, "/") {
		full = path.Join(dir, name)
	}
	info, err := c.p.Sys.Stat(full)
	if err != nil {
		c.out.error("cannot stat %s: %s\n", name, libc.Strerror(err))
		return false
	}
	if !info.IsDir() {
		before := *c.base
		ok := c.file(name, full, dir)
		if !ok {
			*c.base = before
		}
		return ok
	}
	names, err := libc.ReadDir(c.p, full)
	if err != nil {
		c.out.error("cannot open directory %s: %s\n", name, libc.Strerror(err))
		return false
	}
	names = slices.DeleteFunc(names, c.taboo)
	all := true
	for _, n := range names {
		before := *c.base
		if !c.file(n, path.Join(full, n), full) {
			c.out.error("found error in file %s, skipping\n", n)
			*c.base = before
			all = false
		}
	}
	return all
}

func (c *config) taboo(name string) bool {
	for _, t := range c.taboos {
		if match(t, name) {
			c.out.note("Ignoring %s, because of %s pattern match\n", name, t)
			return true
		}
	}
	return false
}

// file reads one file, which messages call name.
func (c *config) file(name, full, dir string) bool {
	f, err := c.p.Sys.OpenFile(full, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		c.out.error("failed to open config file %s: %s\n", name, libc.Strerror(err))
		return false
	}
	defer f.Close()
	info, err := c.p.Sys.Stat(full)
	if err != nil {
		c.out.error("fstat of %s failed: %s\n", name, libc.Strerror(err))
		return false
	}
	if !info.Mode().IsRegular() {
		c.out.note("Ignoring %s because it's not a regular file.\n", name)
		return true
	}
	if c.p.UID == 0 {
		mode := modeBits(info.Mode())
		if mode&0o7533 != 0o400 {
			c.out.warn("Potentially dangerous mode on %s: 0%o\n", name, mode)
		}
		if mode&0o022 != 0 {
			c.out.error("Ignoring %s because it is writable by group or others.\n", name)
			return true
		}
		if uid, _ := libc.Owner(info); uid != 0 {
			c.out.error("Ignoring %s because the file owner is wrong (should be root or user with uid 0).\n", name)
			return true
		}
	}
	text, err := libc.ReadFile(c.p, full)
	if err != nil {
		c.out.error("failed to read config file %s: %s\n", name, libc.Strerror(err))
		return false
	}
	if len(text) == 0 {
		c.out.note("Ignoring %s because it's empty.\n", name)
		return true
	}
	c.out.note("reading config file %s\n", name)
	r := reader{config: c, scanner: newScanner(string(text)), name: name, dir: dir}
	return r.run()
}

// reader reads one file.
type reader struct {
	*config
	*scanner
	name, dir string
	block     *set // the block that is being read, or nil
	bySet     bool // something said what makes a log due, since the beginning or the last block that ended well
	failed    bool // an error was told that did not end the reading
}

// run reports whether the file had no error.
func (r *reader) run() bool {
	for {
		switch t, word := r.next(); t {
		case endOfFile:
			r.finish()
			return !r.failed
		case keyword:
			if err := r.keyword(word); err != nil {
				return r.giveUp()
			}
		case badKeyword:
			r.out.error("%s:%d keyword '%s' not properly separated, found %s\n", r.name, r.line, word, r.found())
			r.step()
			r.step()
			if r.skip() != nil {
				return r.giveUp()
			}
		case nameStart:
			if err := r.open(); err != nil {
				return r.giveUp()
			}
		case closeBrace:
			if err := r.close(); err != nil {
				return r.giveUp()
			}
		case garbage:
			r.complain("lines must begin with a keyword or a filename (possibly in double quotes)")
			if r.skip() != nil {
				return r.giveUp()
			}
		}
	}
}

func (r *reader) complain(text string) { r.out.error("%s:%d %s\n", r.name, r.line, text) }

// skip leaves the block out that has an error. Outside of a block it returns
// errAbort; at the end of the file the block stays as far as it was read.
func (r *reader) skip() error {
	if r.block == nil {
		return errAbort
	}
	if r.pos >= len(r.text) {
		return nil
	}
	r.out.error("found error in %s, skipping\n", r.block.pattern)
	r.failed = true
	if r.skipBlock() {
		r.drop()
	} // else the block is told to be skipped, and is used: it goes only with its brace
	return nil
}

func (r *reader) giveUp() bool {
	r.drop()
	return false
}

// drop forgets the block that is being read.
func (r *reader) drop() {
	if r.block == nil {
		return
	}
	r.out.note(removing)
	for _, name := range r.block.files {
		delete(r.known, name)
	}
	r.block = nil
}

// finish takes a block that the end of the file closes.
func (r *reader) finish() {
	if r.block != nil {
		r.sets = append(r.sets, r.block)
		r.block = nil
	}
}

// settings is what a directive changes at this place.
func (r *reader) settings() *set {
	if r.block != nil {
		return r.block
	}
	return r.base
}

// keyword reads the argument of a directive and applies it.
func (r *reader) keyword(word string) error {
	d, ok := directives[word]
	if !ok {
		r.out.error("%s:%d unknown option '%s' -- ignoring line\n", r.name, r.line, word)
		r.endOfLine()
		return nil
	}
	from := r.pos
	var arg string
	switch d.shape {
	case flag:
		r.separator()
	case assigned:
		arg = r.value()
	case value, global:
		arg = r.value()
		if word != "include" && d.shape == global && r.block != nil {
			r.complain(word + " may not appear inside of log file definition")
			r.swallow(from)
			r.step()
			return r.skip()
		}
		if arg == "" {
			r.complain("argument expected after " + d.what)
			r.swallow(from)
			if d.lenient {
				return nil
			}
			r.step()
			return r.skip()
		}
	case line:
		arg = r.rest()
	case script:
		if arg, ok = r.script(); !ok {
			r.out.error("%s:prerotate, postrotate or preremove without endscript\n", r.name)
			return errAbort
		}
	}
	if d.shape == global {
		r.directory(word, arg)
		return nil
	}
	l := &lookups{bySet: &r.bySet, uid: r.uid, gid: r.gid, note: r.out.note, raw: strings.TrimRightFunc(r.text[from:r.pos], isSpaceRune),
		unread: r.text[from:], last: r.text[max(from, r.pos-1):]}
	err := d.apply(r.settings(), arg, l)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errDeprecated):
		r.out.warn("%s: %d: the %s directive is deprecated and no longer used.\n", r.name, r.line, word)
		return nil
	}
	r.complain(err.Error())
	if d.lenient && arg == "" {
		return nil
	}
	if d.fatal {
		return errAbort
	}
	return r.skip()
}

// swallow passes the line feed right behind a keyword whose value is missing. The
// original does not count that line, so the numbers of all messages below are one
// too low.
func (r *reader) swallow(from int) {
	if r.pos == from && r.pos < len(r.text) {
		r.pos++
	}
}

// directory is the directives about directories of configuration files.
func (r *reader) directory(word, arg string) {
	if word == "include" {
		r.out.note("including %s\n", arg)
		if r.depth >= maxNesting {
			r.complain("include nesting too deep")
			r.failed = true
			return
		}
		r.depth++
		base := r.base
		r.base = r.settings()
		if !r.read(arg, r.dir) {
			r.failed = true
		}
		r.base = base
		r.depth--
		return
	}
	if rest, more := strings.CutPrefix(arg, "+"); more {
		arg = rest
	} else {
		r.taboos = nil
	}
	for _, t := range strings.FieldsFunc(arg, func(c rune) bool { return c == ',' || c < 0x80 && isSpace(byte(c)) }) {
		if word == "tabooext" {
			t = "*" + t
		}
		r.taboos = append(r.taboos[:len(r.taboos):len(r.taboos)], t)
	}
}

func (r *reader) uid(name string) (int, bool) {
	if u, ok := libc.UserByName(r.p, name); ok {
		return u.UID, true
	}
	n, rest := cNumber(name)
	if rest != "" || n < 0 {
		return 0, false
	}
	_, ok := libc.UserByID(r.p, int(n))
	return int(n), ok
}

func (r *reader) gid(name string) (int, bool) {
	if g, ok := libc.GroupByName(r.p, name); ok {
		return g.GID, true
	}
	n, rest := cNumber(name)
	return int(n), rest == "" && n >= 0
}

// open begins a block: names up to a brace.
func (r *reader) open() error {
	if r.block != nil {
		r.complain("unexpected log filename")
		return r.skip()
	}
	names, bad, ok := r.names()
	switch {
	case !ok && bad == '}':
		r.complain("unexpected } (missing previous '{')")
		r.out.note(removing)
		return errAbort
	case !ok:
		r.complain("missing '{' after log files definition")
		r.out.note(removing)
		return errAbort
	}
	patterns, ok := words(names)
	if !ok || len(patterns) == 0 {
		r.complain("error parsing filename")
		return errAbort
	}
	b := *r.base
	b.addExtension = "" // the one setting that a block does not take over
	b.pattern = names
	r.block = &b
	for _, pattern := range patterns {
		names := glob(r.p, pattern)
		paths := make([]string, len(names))
		for i, name := range names {
			paths[i] = libc.Abs(r.p, name)
		}
		for i, look := range host.Lstats(r.p.Sys, paths) {
			if look.Err == nil && look.Info.IsDir() {
				continue
			}
			if !r.add(names[i]) {
				break // the rest of this pattern is given up
			}
		}
	}
	return nil
}

// add takes a log into the block. It reports false when the log is known already.
func (r *reader) add(name string) bool {
	if first := r.known[name]; first != nil {
		if first.ignoreDuplicates {
			r.out.note("%s:%d ignore duplicate log entry for %s\n", r.name, r.line, name)
			return true
		}
		r.complain("duplicate log entry for " + name)
		r.failed = true
		return false
	}
	r.known[name] = r.block
	r.block.files = append(r.block.files, name)
	return true
}

// close ends a block.
func (r *reader) close() error {
	if r.block == nil {
		r.complain("unexpected }")
		return errAbort
	}
	if r.block.oldDir != "" {
		if err := r.oldDirs(); err != nil {
			return err
		}
	}
	r.sets = append(r.sets, r.block)
	r.block = nil
	r.bySet = false
	r.blanks()
	if r.pos < len(r.text) && r.text[r.pos] != '\n' {
		r.out.error("%s:%d, unexpected text after }\n", r.name, r.line)
		r.endOfLine()
	}
	return nil
}

// oldDirs looks at, or makes, the directories of old logs of the block.
func (r *reader) oldDirs() error {
	for _, name := range r.block.files {
		dir := path.Dir(name)
		info, err := r.p.Sys.Stat(libc.Abs(r.p, dir))
		if err != nil {
			if r.block.missingOK {
				r.out.note("%s:%d verifying log file path failed %s: %s, log is probably missing, but missingok is set, so this is not an error.\n",
					r.name, r.line, dir, libc.Strerror(err))
				continue
			}
			r.out.error("%s:%d error verifying log file path %s: %s\n", r.name, r.line, dir, libc.Strerror(err))
			return errAbort
		}
		old := r.block.oldDir
		if !strings.HasPrefix(old, "/") {
			old = dir + "/" + old
		}
		oldInfo, err := r.p.Sys.Stat(libc.Abs(r.p, old))
		switch {
		case errors.Is(err, fs.ErrNotExist) && r.block.createOldDir:
			if err := r.makeDir(old); err != nil {
				return err
			}
			continue
		case err != nil:
			r.out.error("%s:%d error verifying olddir path %s: %s\n", r.name, r.line, old, libc.Strerror(err))
			return errAbort
		}
		if device(info) != device(oldInfo) && !r.block.keeps() && !r.block.renameCopy {
			r.out.error("%s:%d olddir %s and log file %s are on different devices\n", r.name, r.line, old, name)
			return errAbort
		}
	}
	return nil
}

// makeDir makes a directory of old logs with its parents. Only the last has the
// mode and the owner of createolddir.
func (r *reader) makeDir(dir string) error {
	disk, back := rights(r.p, r.block, r.out)
	defer back()
	dir = libc.Abs(r.p, dir)
	if trimmed := strings.TrimRight(dir, "/"); trimmed != "" {
		dir = trimmed
	}
	if parent := path.Dir(dir); !libc.Exists(r.p, parent) {
		if err := libc.MkdirAll(r.p, parent, 0o755); err != nil {
			r.out.error("error creating %s: %s\n", parent, libc.Strerror(err))
			return errAbort
		}
	}
	want := r.block.newDir
	mode := fileMode(want.mode)
	err := disk.Mkdir(dir, mode)
	if err == nil {
		err = disk.Chmod(dir, mode)
	}
	if err != nil {
		r.out.error("error creating %s: %s\n", dir, libc.Strerror(err))
		return errAbort
	}
	if want.uid != unset || want.gid != unset {
		if err := disk.Chown(dir, want.uid, want.gid); err != nil {
			r.out.error("error setting owner of %s to uid %d and gid %d: %s\n", dir, want.uid, want.gid, libc.Strerror(err))
			return errAbort
		}
	}
	return nil
}

func device(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev)
	}
	return 0
}

// modeBits returns the permission bits as chmod(2) numbers them.
func modeBits(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		bits |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		bits |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

// fileMode is the opposite of modeBits.
func fileMode(bits int) fs.FileMode {
	m := fs.FileMode(bits & 0o777)
	if bits&0o4000 != 0 {
		m |= fs.ModeSetuid
	}
	if bits&0o2000 != 0 {
		m |= fs.ModeSetgid
	}
	if bits&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	return m
}
