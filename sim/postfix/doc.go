// Package postfix stands for Postfix 3.5, the mail transfer agent of EL9: its
// daemons, its commands and its queue on disk.
//
// # The road of a mail
//
//	sendmail → postdrop → maildrop/ → pickup ─┐
//	smtpd ────────────────────────────────────┼→ cleanup → incoming/ → qmgr → active/ → local, smtp, error …
//	local (forwarding), bounce ───────────────┘                         ↑ deferred/ ←┘
//
// Each stage is a Program, and its package below this one has its name: smtpd,
// cleanup, qmgr, local, smtp, rewrite; command has what users and administrators
// type. They meet in the queue directory (package queue) and in sockets below it
// (package service). The others are values: conf, mailaddr, header, mime, table, dsn.
//
// master(8) holds the TCP ports, runs qmgr and pickup, and starts the others when
// somebody asks for them through public/master; they leave after max_idle, as the
// real ones do. One process serves all the clients of a service, on threads: what
// ps and the log show is what a learner expects, and a busy host costs a handful
// of processes.
//
// # Nothing lost, nothing twice
//
// A file in the queue counts once its owner may execute it. A message that
// replaces something (a maildrop file by its queue file, an alias member by a
// forwarded copy, a failure log by its bounce) carries a claim on it, and is
// made to count before the replaced thing is taken away; whoever finds both
// after a crash finishes that (see claim). Who works on a message holds a lock
// on its file. Mail that was under way in a crash is delivered again, and
// local(8) then looks first whether the mailbox already has it.
//
// Sources: the manual pages of Postfix 3.5, RFC 3461, 3464, 5321, 5322, and
// recordings of the real programs.
//
// # Divergences
//
//   - The tables that postalias and postmap write, and what is said in the
//     sockets, have formats of their own. Queue files have Postfix's record
//     format but not all of its records.
//   - One process a service, with threads, where the real system has a process
//     for each client.
//   - Delivery with the rights of a user is root's, after the modes on the way
//     to the file were looked at.
//   - After a crash a command, or another SMTP server, may get a mail twice: the
//     step between a delivery and its note is closed for mailboxes only.
//   - Not modelled: LMTP, virtual(8) and pipe(8) delivery, milters, policy
//     services, address verification, postscreen, VERP, strict_7bit_headers and
//     what else cleanup(8) holds against the MIME form of a message, postlock,
//     postfix-files and set-permissions, chroot.
//   - After a reload with a broken main.cf a daemon that runs goes on with what it
//     had, and tells what is wrong; the real qmgr(8) ends and is started again.
//   - A quotation mark that is never closed takes the rest of its line without
//     the blank that the real one leaves at its end.
//   - Connections that smtp(8) keeps for the next mail are its own, not scache(8)'s.
//   - cleanup(8) completes addresses itself and does not ask trivial-rewrite(8).
//   - SASL knows PLAIN and LOGIN only, and asks saslauthd.
//   - A queue id is five digits of microseconds and five random ones, where the
//     real one has the inode.
package postfix
