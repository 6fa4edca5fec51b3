// Package firewalld is the firewall of EL9: firewalld(1), firewall-cmd(1) and
// firewall-offline-cmd(1).
//
// The daemon has two configurations: the permanent one, which is XML files in
// /etc/firewalld over those of the package in /usr/lib/firewalld, and the one in
// force. It compiles the latter to the rules of a [enshu/sim/nft.Ruleset] and gives them
// to the host's packet filter. Zones, and what they let by, are lists in the
// order of their setting, because that is the order of the rules.
//
// Package conf is the model: zones, policies, services and what else has a file,
// and rich rules. Package rules compiles it. Here are the daemon (daemon.go,
// config.go, runtime.go, permanent.go, definitions.go) and the commands
// (argparse.go, cmd.go, offline.go).
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
//   - Policies get their chains in the order in which packets can meet them, and
//     follow every change of their zones; firewalld fails on some changes of zones
//     that several policies name (COMMAND_FAILED), and loses rules by others.
//   - A rule for which a policy has no chain (a forwarded port from a zone to HOST)
//     is COMMAND_FAILED as with firewalld, without its dump of the commands.
//   - A zone that comes twice in a policy's file is passed over without a warning.
//   - Of the lockdown whitelist users count, who are told by the socket; commands
//     and SELinux contexts are kept and shown and let nobody in.
//   - Direct rules and passthroughs are translated to the packet filter, not given
//     to iptables: the common matches and targets are, without counters. The
//     tables come before firewalld's own, and go when they are empty.
//     --passthrough alone, which runs iptables once, is not modelled.
//   - ipset types of several parts (hash:ip,port …) are kept and shown and not put
//     into the packet filter.
//   - Of interfaces added without a zone all go along when another zone becomes the
//     default; firewalld forgets every second of them.
//   - The permanent ICMP blocks of a zone are shown sorted; a port with a sign or a
//     blank before it ("+5/tcp") is none.
//   - A quotation mark in a value of a rich rule is shown with a backslash, so
//     that the rule can be given back.
//   - Where firewalld ends with an error of Python (a rule "rule not accept", a
//     range in an ipset, a priority that is no number, the deletion of a built-in
//     policy), it is an error about the value.
//   - nflog groups 8 to 15 of rich rules are those by which a lab carries kernel
//     messages (see package nft): such a packet is logged as well.
//   - The descriptions of the predefined services, ICMP types and policy are not
//     those of firewalld.
//   - complete-reload does what reload does: there are no kernel modules, and
//     connection tracking is kept.
//   - Replacing rules is one transaction, so no packet meets half of them.
package firewalld
