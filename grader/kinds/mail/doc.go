// Package mail has the kinds of checks about mail: its way from the mail command to a mailbox, aliases and the queue.
package mail
