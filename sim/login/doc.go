// Package login is the programs by which a user becomes another, su(1) of
// util-linux and sudo(8), and passwd(1). All are set-user-ID root: the process has root's
// rights and the caller's real user id, and it is the parent of what it runs.
//
// Sources: su(1), sudo(8), sudoers(5), shadow(5), pam_unix(8), and recordings of
// util-linux 2.38 and sudo 1.9, which are the tests. EL9 has 2.37.4 and 1.9.5p2.
//
// # Divergences
//
//   - passwd is after its manual page, not after recordings; of pam_pwquality(8)
//     length, variety and the user's name count, there is no dictionary.
//   - There is no PAM: what the stacks of EL9 do is done here (root needs no
//     password for su, expired accounts are refused, a wrong password costs two
//     seconds). Changing /etc/pam.d changes nothing.
//   - su --pty, -w, -g and -G, and sudo's -b, -g, -r, -t, -C, -D, -R, -e and plugins
//     are refused.
//   - sudoers is the part that courses teach: Defaults with the options named in
//     sudoers.go, aliases, users and %groups, hosts, run-as lists, NOPASSWD, PASSWD
//     and !commands, includes. Other tags are read and have no effect; netgroups,
//     User_IDs by #, digests and regular expressions are syntax errors.
//   - sudo remembers a password for five minutes by terminal and user, not by
//     session.
package login
