// Package memnet is host.Sys in memory: hosts joined by a network, each with
// its files in a directory of the test, without namespaces, root rights or real
// sockets. Everything blocks through sim/clock, so a lab of memnet hosts runs in
// virtual time inside a testing/synctest bubble, and is warped by
// clock.Timeline.Advance outside of one.
//
// A test makes a [Network], adds a [Host] with the Programs under test, and
// runs commands as an administrator would:
//
//	synctest.Test(t, func(t *testing.T) {
//		n := memnet.New(t)
//		server := n.Host(t, memnet.Config{Name: "server", Addrs: []string{"192.0.2.10/24"}, Programs: programs})
//		client := n.Host(t, memnet.Config{Name: "client", Addrs: []string{"192.0.2.20/24"}, Programs: programs})
//		server.WriteFile("/etc/rsyslog.conf", conf)
//		server.Start("/usr/sbin/rsyslogd", "-n")
//		got := client.Run("/usr/bin/logger", "-n", "192.0.2.10", "hi")
//		time.Sleep(time.Second) // virtual
//		server.ReadFile("/var/log/messages")
//	})
//
// Packets travel over links that [Network.Link] gives delay, jitter and loss,
// keep their order, and pass the filters that [Host.SetFilter] installs. A TCP
// connection loses no data: what a link drops is sent again, later, as TCP does.
//
// A test that calls Sys itself, rather than through a Program, does so inside
// [Host.Do], which runs a function as a process of the host.
//
// # Divergences
//
//   - Files are the machine's own: their times are the machine's unless a
//     Program stamps them, and a FIFO that is read without O_NONBLOCK blocks
//     outside of the lab's time, which then stands still.
//   - Filters judge a packet when it is sent, not when it arrives.
//   - Congestion control, window scaling, fragments, multicast and broadcast are
//     not modelled; ICMP exists only as the error that a socket sees.
//   - SIGSTOP and its kin are ignored. A process that was killed runs on until
//     it next calls Sys, which fails.
package memnet
