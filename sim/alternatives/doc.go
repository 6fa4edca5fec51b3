// Package alternatives is alternatives(8) of chkconfig, as EL9 has it under the
// names alternatives and update-alternatives: which of several programs answers
// to a generic name, such as /usr/sbin/sendmail.
//
// What is known of a name is a file in /var/lib/alternatives; what is chosen are
// symbolic links in /etc/alternatives, to which the generic names link.
//
// Sources: alternatives(8) and the files that chkconfig 1.24 writes.
//
// # Divergences
//
//   - Families and --initscript are read and kept, and have no effect.
package alternatives
