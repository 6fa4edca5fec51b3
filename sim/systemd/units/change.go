package units

import "errors"

// Change is what an operation on unit files did, or why it failed.
type Change struct{ Kind, Path, Source string }

// Kinds of changes. Those of errKind are failures.
const (
	ChangeSymlink   = "symlink"
	ChangeUnlink    = "unlink"
	ChangeMasked    = "masked"
	ChangeAbsent    = "destination not present"
	ChangeAuxiliary = "auxiliary unit failed"

	ErrKindExists   = "EEXIST"
	ErrKindMasked   = "ERFKILL"
	ErrKindPlain    = "EIDRM"
	ErrKindName     = "EUCLEAN"
	ErrKindLoop     = "ELOOP"
	ErrKindAlias    = "EXDEV"
	ErrKindNone     = "ENOENT"
	errKindDangling = "ENOLINK"
	ErrKindContent  = "EBADMSG"
	errKindInvalid  = "EINVAL"
)

var ErrnoText = map[string]string{errKindDangling: "Link has been severed", ErrKindContent: "Bad message", errKindInvalid: "Invalid argument"}

// Error is the failure as PID 1 tells it.
func (c Change) Error() string {
	switch c.Kind {
	case ErrKindExists:
		if c.Source == "" {
			return "File " + c.Path + " already exists."
		}
		return "File " + c.Path + " already exists and is a symlink to " + c.Source + "."
	case ErrKindMasked:
		return "Unit file " + c.Path + " is masked."
	case ErrKindPlain:
		return "Destination unit " + c.Path + " is a non-template unit."
	case ErrKindName:
		return "\"" + c.Path + "\" is not a valid unit name."
	case ErrKindLoop:
		return "Refusing to operate on alias name or linked unit file: " + c.Path
	case ErrKindAlias:
		return "Cannot alias " + c.Source + " as " + c.Path + "."
	case ErrKindNone:
		return "Unit file " + c.Path + " does not exist."
	}
	return "File " + c.Path + ": " + ErrnoText[c.Kind]
}

// ChangeOf returns the change that an error is, if it is one.
func ChangeOf(err error) (Change, bool) {
	var c Change
	ok := errors.As(err, &c)
	return c, ok
}
