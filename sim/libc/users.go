package libc

import (
	"strconv"
	"strings"

	"enshu/sim/host"
)

// User is a line of /etc/passwd.
type User struct {
	Name                 string
	UID, GID             int
	FullName, Dir, Shell string
}

// Group is a line of /etc/group.
type Group struct {
	Name    string
	GID     int
	Members []string
}

// Users returns the accounts of the host in the order of /etc/passwd; lines
// that are not accounts are passed over.
func Users(p *host.Proc) []User {
	data, _ := ReadFile(p, "/etc/passwd")
	var users []User
	for _, line := range Lines(data) {
		f := strings.Split(line, ":")
		if len(f) != 7 || f[0] == "" {
			continue
		}
		uid, err1 := strconv.Atoi(f[2])
		gid, err2 := strconv.Atoi(f[3])
		if err1 != nil || err2 != nil {
			continue
		}
		users = append(users, User{f[0], uid, gid, f[4], f[5], f[6]})
	}
	return users
}

// UserByName finds an account (getpwnam(3)).
func UserByName(p *host.Proc, name string) (User, bool) {
	for _, u := range Users(p) {
		if u.Name == name {
			return u, true
		}
	}
	return User{}, false
}

// UserByID finds an account (getpwuid(3)).
func UserByID(p *host.Proc, uid int) (User, bool) {
	for _, u := range Users(p) {
		if u.UID == uid {
			return u, true
		}
	}
	return User{}, false
}

// UserName returns the name of an account, or its number when it has none.
func UserName(p *host.Proc, uid int) string {
	if u, ok := UserByID(p, uid); ok {
		return u.Name
	}
	return strconv.Itoa(uid)
}

// Groups returns the groups of the host in the order of /etc/group.
func Groups(p *host.Proc) []Group {
	data, _ := ReadFile(p, "/etc/group")
	var groups []Group
	for _, line := range Lines(data) {
		f := strings.Split(line, ":")
		if len(f) != 4 || f[0] == "" {
			continue
		}
		gid, err := strconv.Atoi(f[2])
		if err != nil {
			continue
		}
		g := Group{Name: f[0], GID: gid}
		if f[3] != "" {
			g.Members = strings.Split(f[3], ",")
		}
		groups = append(groups, g)
	}
	return groups
}

// GroupByName finds a group (getgrnam(3)).
func GroupByName(p *host.Proc, name string) (Group, bool) {
	for _, g := range Groups(p) {
		if g.Name == name {
			return g, true
		}
	}
	return Group{}, false
}

// CredOf returns the identity that a login as u has (initgroups(3)).
func CredOf(p *host.Proc, u User) *host.Cred {
	c := &host.Cred{UID: u.UID, GID: u.GID, Groups: []int{u.GID}}
	for _, g := range Groups(p) {
		for _, m := range g.Members {
			if m == u.Name && g.GID != u.GID {
				c.Groups = append(c.Groups, g.GID)
			}
		}
	}
	return c
}

// OneID reports whether root's is the only user id of the host: what is given to
// others stays root's (user_namespaces(7); a lab of a user without a range of ids).
func OneID(p *host.Proc) bool {
	data, err := ReadFile(p, "/proc/self/uid_map")
	f := strings.Fields(string(data))
	return err == nil && len(f) == 3 && f[2] == "1"
}
