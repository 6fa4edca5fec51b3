package logrotate

import "strings"

// criterion says what makes a log due.
type criterion int

const (
	bySize criterion = iota
	hourly
	daily
	weekly
	monthly
	yearly
)

var criterionNames = [...]string{"size", "hourly", "daily", "weekly", "monthly", "yearly"}

func (c criterion) String() string { return criterionNames[c] }

// unset stands for a mode, owner or number that the configuration leaves open.
const unset = -1

// ownership is MODE OWNER GROUP of create, createolddir and su.
type ownership struct{ mode, uid, gid int }

var anyone = ownership{unset, unset, unset}

// set is one block of the configuration: log files and how they are rotated.
// The global settings are a set without files.
type set struct {
	pattern string   // the names as written
	files   []string // what the names matched

	by          criterion
	weekday     int
	threshold   int64 // of bySize
	minSize     int64
	maxSize     int64
	minAge      int // days
	maxAge      int // days; 0 is no limit
	rotate      int // old logs to keep; -1 keeps all
	start       int // number of the newest old log, or unset
	shredCycles int // 0 leaves it to shred

	ifEmpty, missingOK, mailFirst, sharedScripts     bool
	compress, delayCompress, shred, allowHardlink    bool
	ignoreDuplicates                                 bool
	create, createOldDir, copy, copyTruncate         bool
	renameCopy, su, dateExt, dateYesterday, dateHour bool

	newFile, newDir, as ownership // of create, createolddir, su

	oldDir, extension, addExtension, dateFormat, mail string

	compressCmd, uncompressCmd, compressExt string
	compressOptions                         []string

	// Scripts; "" is none, since a script has at least the end of its keyword's line.
	first, pre, post, last, preRemove string
}

// newSet returns the settings that hold when nothing is configured.
func newSet(d Defaults) set {
	return set{
		threshold: 1 << 20, start: unset, ifEmpty: true,
		newFile: anyone, newDir: ownership{0o7777, unset, unset}, as: anyone,
		compressCmd: d.Compress, uncompressCmd: d.Uncompress, compressExt: d.CompressExt,
	}
}

// keeps reports whether the log stays where it is.
func (s *set) keeps() bool { return s.copy || s.copyTruncate }

// extensions that compressors give, by the name of the command.
var extensions = []struct{ command, ext string }{
	{"gzip", ".gz"}, {"bzip2", ".bz2"}, {"xz", ".xz"}, {"compress", ".Z"}, {"zip", ".zip"}, {"zstd", ".zst"},
}

func extensionOf(command string) string {
	name := command[strings.LastIndexByte(command, '/')+1:]
	for _, e := range extensions {
		if e.command == name {
			return e.ext
		}
	}
	return ""
}
