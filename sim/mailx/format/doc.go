// Package format has how mail is written: header fields and addresses (RFC 5322),
// encoded words (RFC 2047), transfer encodings and parts (RFC 2045), as s-nail
// writes and reads them. Text in, text out; mbox and mailx use it.
package format
