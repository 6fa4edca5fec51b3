// Package named is the name server of a lab: named, named-checkconf and
// named-checkzone, after BIND 9.16 (named.conf(5), named(8), RFC 1034, 1035,
// 2181, 2308, 6891).
//
// named serves primary zones from master files and, where recursion is allowed,
// asks the forwarders of its configuration and caches what they say. An answer
// is worked out by [zone.answer], which takes a question and does no I/O.
//
// # Divergences
//
//   - There are no root servers in a lab: what is neither in a zone nor known to
//     a forwarder is SERVFAIL. Zones of type hint are accepted and not used.
//   - No DNSSEC, dynamic updates, secondary zones, views, TSIG, rndc; statements
//     about them are checked for their form and have no effect, but for a zone of
//     type secondary, which is not loaded. SIGHUP reloads.
//   - Where listen-on is "any" there is one socket for all addresses, not one an
//     address. What an address match list calls localnets are the networks of
//     /proc/net/route.
//   - Forwarders are asked in the order in which they stand, 2 seconds each, not
//     by their round trip time.
//   - What is wrong inside a master file is told in the words of the parser, with
//     file and line. A master file without any TTL uses an hour.
//   - -u, -t and -n are accepted; a process of the lab does not change its user.
package named
