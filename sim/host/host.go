// Package host is the contract between software and the world of a lab.
//
// A piece of software is a [Program]; running, it is a [Proc]. A Program
// touches the world only through its Proc: files, sockets and processes through
// [Sys], time through the host's clock, randomness through [Proc.Rand]. So the
// same code runs over kernel namespaces (sim/stub), in memory in virtual time
// (sim/memnet), and while the lab is warped.
//
// Rules for Programs, which the tests of this module hold them to:
//
//   - A Program blocks only in calls of Proc, Sys, the connections and files
//     they returned, and clock.Queue; one wait at a time. Channels, select, go
//     statements and package time's timers are not for Programs: use
//     clock.Queue, [Proc.Go] and [Proc.Sleep].
//   - It returns when its context ends (SIGTERM), and what it returns is the
//     exit status. A bad configuration is text on Stderr and a non-zero status.
//   - A daemon calls [Proc.Ready] once its sockets are open.
//   - It keeps no package-level state: two hosts run the same Program at once.
package host

import (
	"enshu/sim/clock"
	"enshu/sim/nft"
	"enshu/sim/trace"
)

// Host is one machine of a lab, as its software can see it.
type Host struct {
	Name  string // the name the lab file gives it
	Clock *clock.Local
	RTC   *clock.Local // the hardware clock, in UTC or in local time as /etc/adjtime says; nil where there is none
	// Refclocks are reference clocks (receivers, pulses, clocks of network cards)
	// by their device files, as right as they are. One works while its file exists.
	Refclocks map[string]*clock.Local
	Trace     *trace.Log
	Kmsg      *Kmsg              // the kernel's ring buffer
	Filter    Filter             // the kernel's packet filter; nil where there is none
	Programs  map[string]Program // path of the executable to what it does; never changed after boot
	Seed      uint64             // what the randomness of the host's programs is drawn from
}

// Filter is the packet filter of a host's kernel.
type Filter interface {
	// Apply replaces all tables of the host by those of r, at once.
	Apply(r *nft.Ruleset) error
}
