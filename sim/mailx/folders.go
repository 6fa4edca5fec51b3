package mailx

import (
	"context"
	"strings"

	"enshu/sim/libc"
)

// change opens another folder.
func (s *session) change(arg string, readOnly bool) {
	words := s.words(arg)
	if strings.HasPrefix(arg, "#") { // the folder before, not a comment
		words = []string{arg}
	}
	if len(words) == 0 {
		if s.file == "" {
			s.complain("file: needs an active mailbox")
			return
		}
		s.greet()
		s.setDot(s.first())
		return
	}
	name := words[0]
	if name == "#" && s.before == "" {
		s.complain("No previous file")
		return
	}
	file := libc.Abs(s.p, s.folder(name))
	if _, err := s.p.Sys.Stat(file); err != nil {
		if name == "&" {
			name = file
		}
		s.complain("%s: %s", name, strerror(err))
		// The folder is left, as it was on disk.
		s.before, s.file, s.msgs, s.data, s.order = s.file, "", nil, nil, nil
		return
	}
	system := file == s.inbox("")
	s.quit()
	if err := s.open(file, system, s.owner); err != nil {
		s.complain("%s: %s", name, strerror(err))
		return
	}
	s.readOnly = readOnly || s.onlyRead
	if !s.isSet("header") {
		return
	}
	if s.greet(); len(s.msgs) > 0 {
		s.headers(s.dot)
	}
}

func (s *session) chdir(arg string) {
	words := s.words(arg)
	dir := s.home
	if len(words) > 0 {
		dir = libc.Abs(s.p, s.path(words[0]))
	}
	if info, err := s.p.Sys.Stat(dir); err != nil {
		s.complain("%s: %s", dir, strerror(err))
		return
	} else if !info.IsDir() {
		s.complain("%s: Not a directory", dir)
		return
	}
	s.p.Dir = dir
}

// folders lists the files of the variable folder.
func (s *session) folders(ctx context.Context) {
	if s.vars["folder"] == "" {
		s.complain("folders: *folder* not set, or not resolvable")
		return
	}
	s.p.Exec(ctx, "ls", strings.TrimSuffix(s.inFolder(""), "/"))
}
