package systemd

import "errors"

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
