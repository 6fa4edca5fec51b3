package login

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

const shadowFile = "/etc/shadow"

// Fields of a line of shadow(5).
const (
	shadowName = iota
	shadowHash
	shadowChanged
	shadowMin
	shadowMax
	shadowWarn
	shadowInactive
	shadowExpire
	shadowFields = 9
)

// minPassword is the shortest password that is not bad (pam_pwquality(8), minlen).
const minPassword = 8

// password is one run of passwd(1).
type password struct {
	*session
	user  libc.User
	lines []string // of /etc/shadow
	at    int      // the user's
}

// Passwd is /usr/bin/passwd (passwd(1) of EL9): passwords are set, shown, locked
// and aged. Like su it is set-user-ID root.
func Passwd(_ context.Context, p *host.Proc) int {
	s := &password{session: newSession(p, "passwd", "passwd")}
	options, operands, err := libc.Getopt(p.Args[1:], "kdleufx:n:w:i:S?", []libc.LongOption{
		{Name: "keep-tokens", Short: "k"}, {Name: "delete", Short: "d"}, {Name: "lock", Short: "l"}, {Name: "unlock", Short: "u"},
		{Name: "expire", Short: "e"}, {Name: "force", Short: "f"}, {Name: "maximum", Short: "x", Arg: libc.RequiredArgument},
		{Name: "minimum", Short: "n", Arg: libc.RequiredArgument}, {Name: "warning", Short: "w", Arg: libc.RequiredArgument},
		{Name: "inactive", Short: "i", Arg: libc.RequiredArgument}, {Name: "status", Short: "S"}, {Name: "stdin"}})
	if err != nil {
		word := strings.Trim(err.Error()[strings.IndexByte(err.Error(), '\'')+1:], "'-")
		dashes := "--"
		if len(word) == 1 {
			dashes = "-"
		}
		fmt.Fprintf(p.Stderr, "passwd: bad argument %s%s: unknown option\n", dashes, word)
		return 252
	}
	chosen := map[string]string{}
	action := ""
	for _, o := range options {
		chosen[o.Name] = o.Value
		if strings.Contains("dleuS", o.Name) {
			action = o.Name
		}
	}
	if len(operands) > 1 {
		fmt.Fprintln(p.Stderr, "passwd: Only one user name may be specified.")
		return 253
	}
	switch {
	case p.RUID != 0 && len(operands) > 0:
		fmt.Fprintln(p.Stderr, "passwd: Only root can specify a user name.")
		return 1
	case p.RUID != 0 && len(options) > 0:
		fmt.Fprintln(p.Stderr, "Only root can do that.")
		return 1
	}
	name := s.caller.Name
	if len(operands) == 1 {
		name = operands[0]
	}
	var ok bool
	if s.user, ok = libc.UserByName(p, name); !ok {
		fmt.Fprintf(p.Stderr, "passwd: Unknown user name '%s'.\n", name)
		return 1
	}
	if problem := s.load(); problem != "" {
		fmt.Fprintf(p.Stderr, "passwd: %s\n", problem)
		return 1
	}
	ages := map[string]int{"x": shadowMax, "n": shadowMin, "w": shadowWarn, "i": shadowInactive}
	aging := false
	for option, field := range ages {
		value, given := chosen[option]
		if !given {
			continue
		}
		if _, err := strconv.Atoi(value); err != nil {
			fmt.Fprintf(p.Stderr, "passwd: bad argument -%s: invalid numeric value\n", option)
			return 252
		}
		s.set(field, value)
		aging = true
	}
	if action != "" {
		return s.act(action)
	}
	if aging {
		fmt.Fprintf(p.Stdout, "Adjusting aging data for user %s.\n", s.user.Name)
		return s.save(true)
	}
	_, fromStdin := chosen["stdin"]
	return s.change(fromStdin)
}

// load reads the user's line of /etc/shadow.
func (s *password) load() string {
	data, err := libc.ReadFile(s.p, shadowFile)
	if err != nil {
		return libc.Strerror(err)
	}
	s.lines, s.at = libc.Lines(data), -1
	for i, line := range s.lines {
		if f := strings.Split(line, ":"); len(f) == shadowFields && f[shadowName] == s.user.Name {
			s.at = i
		}
	}
	if s.at < 0 {
		return "user '" + s.user.Name + "' has no entry in " + shadowFile
	}
	return ""
}

func (s *password) field(n int) string { return strings.Split(s.lines[s.at], ":")[n] }

func (s *password) set(n int, value string) {
	f := strings.Split(s.lines[s.at], ":")
	f[n] = value
	s.lines[s.at] = strings.Join(f, ":")
}

// save writes /etc/shadow back, all or nothing.
func (s *password) save(say bool) int {
	text := []byte(strings.Join(s.lines, "\n") + "\n")
	err := libc.WriteFile(s.p, shadowFile+"+", text, 0o600)
	if err == nil {
		err = s.p.Sys.Chmod(shadowFile+"+", 0)
	}
	if err == nil {
		err = s.p.Sys.Rename(shadowFile+"+", shadowFile)
	}
	if err != nil {
		fmt.Fprintf(s.p.Stderr, "passwd: Authentication token manipulation error\n")
		return 1
	}
	if say {
		fmt.Fprintln(s.p.Stdout, "passwd: Success")
	}
	return 0
}

// act does what needs no password.
func (s *password) act(action string) int {
	w, hash := s.p.Stdout, s.field(shadowHash)
	switch action {
	case "S":
		s.status()
		return 0
	case "l":
		fmt.Fprintf(w, "Locking password for user %s.\n", s.user.Name)
		s.set(shadowHash, "!!"+strings.TrimLeft(hash, "!"))
	case "u":
		fmt.Fprintf(w, "Unlocking password for user %s.\n", s.user.Name)
		if strings.Trim(hash, "!*") == "" {
			fmt.Fprintln(s.p.Stderr, "passwd: Warning: unlocked password would be empty.\npasswd: Unsafe operation (use -f to force)")
			return 1
		}
		s.set(shadowHash, strings.TrimLeft(hash, "!"))
	case "d":
		fmt.Fprintf(w, "Removing password for user %s.\n", s.user.Name)
		if strings.HasPrefix(hash, "!") {
			fmt.Fprintln(w, "passwd: Note: deleting a password also unlocks the password.")
		}
		s.set(shadowHash, "")
	case "e":
		fmt.Fprintf(w, "Expiring password for user %s.\n", s.user.Name)
		s.set(shadowChanged, "0")
	}
	return s.save(true)
}

// status is the line of passwd -S.
func (s *password) status() {
	hash, state, text := s.field(shadowHash), "PS", "Password set, SHA512 crypt."
	switch {
	case hash == "":
		state, text = "NP", "Empty password."
	case strings.HasPrefix(hash, "!") || strings.HasPrefix(hash, "*"):
		state, text = "LK", "Password locked."
	case !strings.HasPrefix(hash, "$6$"):
		text = "Password set, unknown crypt variant."
	}
	days, _ := strconv.ParseInt(s.field(shadowChanged), 10, 64)
	number := func(n int, none string) string {
		if v := s.field(n); v != "" {
			return v
		}
		return none
	}
	fmt.Fprintf(s.p.Stdout, "%s %s %s %s %s %s %s (%s)\n", s.user.Name, state, time.Unix(days*86400, 0).UTC().Format("2006-01-02"), number(shadowMin, "0"), number(shadowMax, "99999"),
		number(shadowWarn, "7"), number(shadowInactive, "-1"), text)
}

// change asks for a new password.
func (s *password) change(fromStdin bool) int {
	w := s.p.Stdout
	fmt.Fprintf(w, "Changing password for user %s.\n", s.user.Name)
	failed := func(problem string) int {
		if problem != "" {
			fmt.Fprintln(s.p.Stderr, problem)
		}
		fmt.Fprintln(s.p.Stderr, "passwd: Authentication token manipulation error")
		return 1
	}
	if s.p.RUID != 0 && s.field(shadowHash) != "" {
		old, ok := s.prompt(w, "Current password: ")
		hash, known := libc.Crypt(old, s.field(shadowHash))
		if !ok || !known || hash != s.field(shadowHash) {
			s.pam(syslog.Notice, "chauthtok", "authentication failure; logname=%s uid=%d euid=0 tty=%s ruser= rhost=  user=%s", s.loginName(), s.caller.UID, s.tty, s.user.Name)
			return failed("")
		}
	}
	var fresh string
	var ok bool
	if fromStdin {
		if fresh, ok = s.prompt(io.Discard, ""); !ok {
			return failed("")
		}
	} else {
		if fresh, ok = s.prompt(w, "New password: "); !ok || fresh == "" {
			return failed("No password has been supplied.")
		}
	}
	if problem := badPassword(fresh, s.user.Name); problem != "" {
		fmt.Fprintf(s.p.Stderr, "BAD PASSWORD: %s\n", problem)
		if s.p.RUID != 0 {
			return failed("")
		}
	}
	if !fromStdin {
		if again, _ := s.prompt(w, "Retype new password: "); again != fresh {
			return failed("Sorry, passwords do not match.")
		}
	}
	hash, _ := libc.Crypt(fresh, "$6$"+s.salt()+"$")
	s.set(shadowHash, hash)
	s.set(shadowChanged, strconv.FormatInt(s.p.Now().Unix()/86400, 10))
	if status := s.save(false); status != 0 {
		return status
	}
	s.pam(syslog.Notice, "chauthtok", "password changed for %s", s.user.Name)
	fmt.Fprintln(w, "passwd: all authentication tokens updated successfully.")
	return 0
}

// badPassword says what pam_pwquality(8) has against a password.
func badPassword(text, user string) string {
	distinct := map[rune]bool{}
	for _, r := range text {
		distinct[r] = true
	}
	switch {
	case len(text) < minPassword:
		return fmt.Sprintf("The password is shorter than %d characters", minPassword)
	case len(distinct) < 4:
		return "The password contains too few different characters"
	case strings.Contains(strings.ToLower(text), user):
		return "The password contains the user name in some form"
	}
	return ""
}

func (s *password) salt() string {
	const letters = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var b bytes.Buffer
	for range 16 {
		b.WriteByte(letters[s.p.Rand().IntN(len(letters))])
	}
	return b.String()
}
