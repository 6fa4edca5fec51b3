// Package pcre is the regular expressions of Perl as pcre2pattern(3) has them, over
// bytes: what journalctl -g takes. Unlike Go's they backtrack, so they have
// assertions, back-references, atomic groups and recursion; and like PCRE's, a
// match that takes too many steps is given up. The libraries for Go that backtrack
// give up by the machine's clock, so that what a match finds would depend on the
// machine, and in memory, where time is virtual, they would never do.
//
// Errors have PCRE's words. Letters have cases in ASCII only, a dot is one byte.
//
// Sources: pcre2pattern(3), pcre2syntax(3), recorded messages of version 10.42.
//
// # Divergences
//
//   - Of the verbs, "(*FAIL)" alone has an effect; those that set options at the
//     beginning of an expression are read and have none. Call-outs do nothing.
//   - Of several mistakes in one expression, another may be told than PCRE does.
//   - \X is one byte, or a carriage return with its line feed.
package pcre
