// Package scenario reads lab files: YAML to a checked value, with the position
// of everything that is wrong.
//
// [Parse] is strict: an unknown key, host, variable, package, task or step, a
// value of the wrong type, an expectation that expects nothing are errors, each
// with file, line, column and what was probably meant. It reports all it finds.
// A file that passes cannot fail for another seed: it is checked with every
// value that a variable may take.
//
// What this package cannot know itself comes from the caller as [Known]: the
// packages and programs of the distribution, and the kinds of checks, whose
// arguments are plain structs decoded by the same rules and shown in the same
// JSON Schema ([Schema]).
//
// A struct says how it is written in YAML with the tag `lab:"name,options"`:
//
//	required   the key must be there
//	keyed      a slice of structs written as a mapping
//	key        the field that holds the key of a keyed slice's element
//	value      the field that is meant when a plain value stands for the struct
//
// Anchors and aliases are refused: nothing in a lab file is bigger than it looks.
package scenario
