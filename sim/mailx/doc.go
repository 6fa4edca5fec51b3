// Package mailx is s-nail(1) 14.9 as EL9 has it under the names mail, mailx and
// s-nail: sending from a terminal and from a pipe, and reading a mailbox. It
// submits through /usr/sbin/sendmail and reads mbox files; it knows nothing of
// the mail system behind them.
//
// Sources: the manual page s-nail(1), RFC 2045, 2047 and 5322, and recordings
// of the real program.
//
// # Divergences
//
//   - Of the language of resource files only set, unset and alias are obeyed; of
//     the commands those of a daily session.
//   - Lines are edited by the terminal, not by s-nail's own editor.
//   - Maildir folders, IMAP, POP3, SMTP, S/MIME, threads and scoring are not
//     modelled.
//   - Text is UTF-8; in another locale only ASCII can be sent.
//   - mail -v prints no messages of the composer or the transport.
package mailx
