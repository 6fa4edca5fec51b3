package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"enshu/content"
)

// block is a fenced block of a document: the word behind the fence, and its lines.
type block struct {
	kind  string
	lines []string
}

func blocks(text string) (out []block) {
	in := false
	for _, line := range strings.Split(text, "\n") {
		kind, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && !in:
			in = true
			out = append(out, block{kind: kind})
		case fence:
			in = false
		case in:
			b := &out[len(out)-1]
			b.lines = append(b.lines, line)
		}
	}
	return out
}

// prompt is a line that a reader is to type on a host.
var prompt = regexp.MustCompile(`^\[(\w+)@(\w+) [^\]]*\][#$] (.*)$`)

// TestLessonsRun types what the lessons and the help texts show, each on a lab
// of its own: every command must work, in the order of the text.
func TestLessonsRun(t *testing.T) {
	var files []string
	for _, pattern := range []string{"lessons/*.md", "help/*.md"} {
		found, err := fs.Glob(content.Files, pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	ran := 0
	for _, file := range files {
		data, err := fs.ReadFile(content.Files, file)
		if err != nil {
			t.Fatal(err)
		}
		var typed [][]string
		for _, b := range blocks(string(data)) {
			for _, line := range b.lines {
				if m := prompt.FindStringSubmatch(line); m != nil {
					typed = append(typed, m[1:])
				}
			}
		}
		if len(typed) == 0 {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			users(t, func(t *testing.T, u *user) {
				u.enshu(0, "start", "tcp-forwarding", "--name", u.lab, "--seed", "1")
				if ids := u.enshu(0, "exec", "server", "--", "awk", "{n += $3} END {print n}", "/proc/self/uid_map"); strings.TrimSpace(ids) == "1" {
					u.enshu(0, "finish")
					t.Skip("this user has no /etc/subuid: hosts have one user, and daemons of others do not start")
				}
				for _, w := range typed {
					login, host, line := w[0], w[1], w[2]
					u.enshu(0, "exec", host, "--user", login, "--", "bash", "-c", "set -o pipefail; "+line)
					ran++
				}
				u.enshu(0, "finish")
			})
		})
	}
	if ran == 0 {
		t.Error("no document shows a command")
	}
}

// TestReadmeRuns types the session of the README, with sed(1) for the editor,
// and asks for the help of each command that it lists.
func TestReadmeRuns(t *testing.T) {
	for _, name := range []string{"README.md", "README.ja.md"} {
		data, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			users(t, func(t *testing.T, u *user) {
				u.enshu(0, "start", "tcp-forwarding", "--name", u.lab, "--seed", "1")
				shown := "" // by the last command
				for _, b := range blocks(string(data)) {
					for _, line := range b.lines {
						switch m := prompt.FindStringSubmatch(line); {
						case m != nil && strings.HasPrefix(m[3], "vi "):
							u.enshu(0, "exec", m[2], "--", "sed", "-i", `/imtcp/s/^#//`, strings.TrimPrefix(m[3], "vi "))
						case m != nil && m[3] == "check":
							shown = u.enshu(1, "exec", m[2], "--", "check")
						case m != nil:
							shown = u.enshu(0, "exec", m[2], "--", "bash", "-c", m[3])
						case strings.HasPrefix(line, "enshu "):
							commands, _, _ := strings.Cut(line, "   ")
							for _, c := range strings.Split(strings.TrimPrefix(commands, "enshu "), "·") {
								for _, verb := range strings.Split(strings.Fields(c)[0], "|") {
									u.enshu(0, verb, "--help")
								}
							}
						case strings.HasPrefix(line, " ✓ "), strings.HasPrefix(line, " ✗ "):
							words := strings.Fields(line)
							mark, points := words[0], words[len(words)-1]
							if !regexp.MustCompile(mark + `.*` + regexp.QuoteMeta(points)).MatchString(shown) {
								t.Errorf("%q is not what check says:\n%s", line, shown)
							}
						}
					}
				}
				u.enshu(0, "finish")
			})
		})
	}
}
