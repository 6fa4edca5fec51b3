package firewalld

import (
	"slices"
	"strings"

	"enshu/sim/firewalld/conf"
	"enshu/sim/libc"
)

// whitelistCall answers --…-lockdown-whitelist-…: the kind of entry is in Kind.
func (d *daemon) whitelistCall(q request) (*reply, error) {
	list := d.perm.whitelist
	if !q.Permanent {
		list = d.whitelist
	}
	verb := strings.TrimSuffix(q.Op, "-whitelisted")
	if verb == "list" {
		return listed(list[q.Kind])
	}
	value := q.arg(0)
	if err := conf.CheckWhitelisted(q.Kind, value); err != nil {
		return nil, err
	}
	at := slices.Index(list[q.Kind], value)
	text := value // how messages name it
	if !q.Permanent {
		text = strings.ToUpper(q.Kind[:1]) + q.Kind[1:] + ` "` + value + `"`
	}
	switch {
	case verb == "query":
		return &reply{Yes: at >= 0}, nil
	case verb == "add" && at >= 0:
		if !q.Permanent {
			text += " already in whitelist"
		}
		return nil, conf.Fail("ALREADY_ENABLED", text)
	case verb == "add":
		list[q.Kind] = append(list[q.Kind], value)
	case at < 0:
		if !q.Permanent {
			text += " not in whitelist."
		}
		return nil, conf.Fail("NOT_ENABLED", text)
	default:
		list[q.Kind] = slices.Delete(list[q.Kind], at, at+1)
	}
	if !q.Permanent {
		return &reply{}, nil
	}
	if err := libc.WriteFile(d.p, whitelistFile, list.File(), 0o644); err != nil {
		return nil, conf.Fail("COMMAND_FAILED", libc.Strerror(err))
	}
	return &reply{}, nil
}

// unchanging are the calls that lockdown lets everybody make and that a failed
// configuration does not hinder: they change no rule and no file.
func (q request) unchanging() bool {
	for _, verb := range []string{"get", "list", "query", "info", "path"} {
		if q.Op == verb || strings.HasPrefix(q.Op, verb+"-") {
			return true
		}
	}
	if q.Op == "direct" {
		return strings.HasPrefix(q.Kind, "get") || strings.HasPrefix(q.Kind, "query")
	}
	return slices.Contains([]string{"state", "version", "authorize", "reload", "complete-reload", "check-config"}, q.Op)
}

// locked reports whether lockdown keeps a user from changing anything.
func (d *daemon) locked(uid int) bool {
	if !d.lockdown {
		return false
	}
	name := ""
	for _, u := range libc.Users(d.p) {
		if u.UID == uid {
			name = u.Name
			break
		}
	}
	return !d.whitelist.Allows(uid, name)
}
