package systemd

import (
	"errors"
)

// change is what an operation on unit files did, or why it failed.
type change struct{ Kind, Path, Source string }

// Kinds of changes. Those of errKind are failures.
const (
	changeSymlink   = "symlink"
	changeUnlink    = "unlink"
	changeMasked    = "masked"
	changeAbsent    = "destination not present"
	changeAuxiliary = "auxiliary unit failed"

	errKindExists   = "EEXIST"
	errKindMasked   = "ERFKILL"
	errKindPlain    = "EIDRM"
	errKindName     = "EUCLEAN"
	errKindLoop     = "ELOOP"
	errKindAlias    = "EXDEV"
	errKindNone     = "ENOENT"
	errKindDangling = "ENOLINK"
	errKindContent  = "EBADMSG"
	errKindInvalid  = "EINVAL"
)

var errnoText = map[string]string{errKindDangling: "Link has been severed", errKindContent: "Bad message", errKindInvalid: "Invalid argument"}

// Error is the failure as PID 1 tells it.
func (c change) Error() string {
	switch c.Kind {
	case errKindExists:
		if c.Source == "" {
			return "File " + c.Path + " already exists."
		}
		return "File " + c.Path + " already exists and is a symlink to " + c.Source + "."
	case errKindMasked:
		return "Unit file " + c.Path + " is masked."
	case errKindPlain:
		return "Destination unit " + c.Path + " is a non-template unit."
	case errKindName:
		return "\"" + c.Path + "\" is not a valid unit name."
	case errKindLoop:
		return "Refusing to operate on alias name or linked unit file: " + c.Path
	case errKindAlias:
		return "Cannot alias " + c.Source + " as " + c.Path + "."
	case errKindNone:
		return "Unit file " + c.Path + " does not exist."
	}
	return "File " + c.Path + ": " + errnoText[c.Kind]
}

// changeOf returns the change that an error is, if it is one.
func changeOf(err error) (change, bool) {
	var c change
	ok := errors.As(err, &c)
	return c, ok
}

// told is the change in the words of systemctl, whose verb it was.
func (s *systemctl) told(c change, verb string) (text string, failed bool) {
	verb = "Failed to " + verb
	switch c.Kind {
	case changeSymlink:
		return "Created symlink " + c.Path + " " + s.Glyph("arrow") + " " + c.Source + ".", false
	case changeUnlink:
		return "Removed \"" + c.Path + "\".", false
	case changeMasked:
		return "Unit " + c.Path + " is masked, ignoring.", false
	case changeAbsent:
		return "Unit " + c.Source + " is added as a dependency to a non-existent unit " + c.Path + ".", false
	case changeAuxiliary:
		return "Failed to enable auxiliary unit " + c.Path + ", ignoring.", false
	case errKindExists:
		if c.Source == "" {
			return verb + " unit, file \"" + c.Path + "\" already exists.", true
		}
		return verb + " unit, file \"" + c.Path + "\" already exists and is a symlink to \"" + c.Source + "\".", true
	case errKindMasked:
		return verb + " unit, unit " + c.Path + " is masked.", true
	case errKindPlain:
		return verb + " " + c.Source + ", destination unit " + c.Path + " is a non-template unit.", true
	case errKindName:
		return verb + " unit, \"" + c.Path + "\" is not a valid unit name.", true
	case errKindLoop:
		return verb + " unit, refusing to operate on linked unit file " + c.Path + ".", true
	case errKindAlias:
		return verb + " unit, cannot alias " + c.Source + " as " + c.Path + ".", true
	case errKindNone:
		return verb + " unit, unit " + c.Path + " does not exist.", true
	}
	return verb + " unit, file \"" + c.Path + "\": " + errnoText[c.Kind], true
}

// tellChanges says what was done to links, and what could not be.
func (s *systemctl) tellChanges(list []change, verb string) {
	for _, c := range list {
		text, failed := s.told(c, verb)
		switch {
		case failed:
			s.Fail("%s", text)
		case s.quiet:
		default:
			s.Note("%s", text)
		}
	}
}
