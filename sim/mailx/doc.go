// Package mailx is s-nail(1) 14.9 as EL9 has it under the names mail, mailx and
// s-nail: sending from a terminal and from a pipe, and reading a mailbox. It
// submits through /usr/sbin/sendmail and reads mbox files; it knows nothing of
// the mail system behind them.
//
// Sources: the manual page s-nail(1), RFC 2045, 2047 and 5322, and recordings
// of the real program.
//
// Who reads on: format and mbox below are how mail is written and how a folder
// keeps it. Here options.go is the command line, vars.go the settings, script.go
// the language, session.go and list.go a folder that is read, table.go what
// commands there are, commands.go how they are obeyed, headers.go, show.go and
// save.go what they do, compose.go, escapes.go and reply.go
// the writing, send.go and encode.go the sending.
//
// # Divergences
//
//   - Resource files, macros (define, call) and accounts may use all commands, if
//     and elif with one condition; hooks and key bindings are read and have no
//     effect, csop, vexpr, read, digmsg (also as ~^), tls, environ and the codecs
//     are not modelled, nor is a command escape with a modifier (~-s).
//   - expandaddr lets no file and no command be a recipient, whatever it says.
//   - ~m, ~f, ~u and ~Q in send mode are refused; the original crashes of them.
//   - Lines are edited by the terminal, not by s-nail's own editor: ^C at the
//     prompt empties the line, and where s-nail offers a text to edit, it is
//     shown and an empty answer means it.
//   - IMAP, POP3, SMTP, S/MIME, mailcap, threads, scoring and spam commands are
//     not modelled and say so.
//   - Text goes out as UTF-8 and only UTF-8 and Latin-1 are read; in a locale
//     without UTF-8 only ASCII can be sent.
//   - set without an argument lists the settings that have an effect here, not
//     those about the program's build and the environment; undelete refuses a
//     message that is not deleted.
//   - mail -v tells what it reads and sends with, without the program's own
//     debugging; -d sends nothing and tells what would be sent, without the lines
//     of resource files and of input.
package mailx
