package conf

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Whitelist says who may change the firewall while lockdown is on
// (firewalld.lockdown-whitelist(5)). A kind is one of [WhitelistKinds].
type Whitelist map[string][]string

// WhitelistKinds are the kinds of entries in the order of the file.
var WhitelistKinds = []string{"command", "uid", "user", "context"}

var userName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]*\$?$`)

// CheckWhitelisted refuses what cannot be an entry of a kind.
func CheckWhitelisted(kind, value string) error {
	switch kind {
	case "command":
		if !strings.HasPrefix(value, "/") || len(value) > 1024 {
			return Fail("INVALID_COMMAND", value)
		}
	case "uid":
		if _, err := strconv.ParseUint(value, 10, 31); err != nil {
			return Fail("INVALID_UID", value)
		}
	case "user":
		if !userName.MatchString(value) || len(value) > 32 {
			return Fail("INVALID_USER", value)
		}
	case "context":
		if n := strings.Count(value, ":"); n < 3 || n > 4 {
			return Fail("INVALID_CONTEXT", value)
		}
	}
	return nil
}

// Allows reports whether a user is named.
func (w Whitelist) Allows(uid int, user string) bool {
	return slices.Contains(w["uid"], strconv.Itoa(uid)) || user != "" && slices.Contains(w["user"], user)
}

// Clone returns a copy that shares nothing that changes.
func (w Whitelist) Clone() Whitelist {
	c := Whitelist{}
	for kind, list := range w {
		c[kind] = slices.Clone(list)
	}
	return c
}

// ReadWhitelist reads lockdown-whitelist.xml.
func ReadWhitelist(data []byte) (Whitelist, error) {
	w := Whitelist{}
	x := newXMLReader("whitelist", data)
	for {
		e, depth, err, ok := x.next()
		if !ok {
			return w, err
		}
		kind, value := "", ""
		switch {
		case depth == 0 && e.start == "whitelist":
			continue
		case depth == 1 && e.start == "command":
			kind, value = "command", e.attrs.Get("name")
		case depth == 1 && e.start == "selinux":
			kind, value = "context", e.attrs.Get("context")
		case depth == 1 && e.start == "user" && e.attrs.Get("id") != "":
			kind, value = "uid", e.attrs.Get("id")
		case depth == 1 && e.start == "user":
			kind, value = "user", e.attrs.Get("name")
		default:
			return nil, unexpected(e.start)
		}
		if err := CheckWhitelisted(kind, value); err != nil {
			return nil, err
		}
		if !slices.Contains(w[kind], value) {
			w[kind] = append(w[kind], value)
		}
	}
}

// File returns the list as its file.
func (w Whitelist) File() []byte {
	tags := map[string][2]string{"command": {"command", "name"}, "uid": {"user", "id"}, "user": {"user", "name"}, "context": {"selinux", "context"}}
	x := &xmlWriter{}
	x.root("whitelist")
	for _, kind := range WhitelistKinds {
		for _, v := range w[kind] {
			x.tag(1, tags[kind][0], [2]string{tags[kind][1], v})
		}
	}
	x.WriteString("</whitelist>\n")
	return []byte(x.String())
}
