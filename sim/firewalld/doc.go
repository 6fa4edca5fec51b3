// Package firewalld is the firewall of EL9: firewalld(1), firewall-cmd(1) and
// firewall-offline-cmd(1).
//
// The daemon has two configurations: the permanent one, which is XML files in
// /etc/firewalld over those of the package in /usr/lib/firewalld, and the one in
// force. It compiles the latter to the rules of a [enshu/sim/nft.Ruleset] and gives them
// to the host's packet filter. Zones, and what they let by, are lists in the
// order of their setting, because that is the order of the rules.
//
// Package conf is the model: zones, rich rules, and the files that hold them.
// Package rules compiles it. Here are the daemon (daemon.go, config.go,
// runtime.go, permanent.go) and the commands (argparse.go, cmd.go, offline.go).
//
// Sources: firewalld(1), firewalld.conf(5), firewalld.zone(5),
// firewalld.richlanguage(5), firewall-cmd(1), and the recordings of firewalld
// 1.3.3 in testdata.
//
// # Divergences
//
//   - firewall-cmd reaches the daemon by a socket of its own in /run/firewalld
//     and not by D-Bus; who is asked is told by the socket (SO_PEERCRED), and
//     there is no polkit agent. The unit is Type=notify for the same reason.
//   - What NetworkManager does is done here: at start and after a reload every
//     interface in /sys/class/net but lo that no zone names is bound to the
//     default zone. A permanent binding is written to the zone's file, as
//     without NetworkManager.
//   - Files edited by hand are read by a reload (or restart), not when they change.
//   - Rich rules in force are listed by priority and age; firewalld's own order
//     is that of a hash table.
//   - Policies other than the predefined allow-host-ipv6, own ICMP types and
//     helpers, lockdown whitelists, and the rich rule elements nflog and
//     tcp-mss-clamp are not modelled; of direct rules the filter table with the
//     common matches is, chains and passthroughs are not.
//   - ipset types are hash:ip, hash:net and hash:mac.
//   - The descriptions of the predefined services are not those of firewalld.
//   - complete-reload does what reload does: there are no kernel modules, and
//     connection tracking is kept.
//   - Replacing rules is one transaction, so no packet meets half of them.
package firewalld
