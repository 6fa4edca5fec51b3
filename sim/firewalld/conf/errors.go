package conf

import "strings"

// Code names a kind of error; its exit status is in [exitStatus].
type Code string

// Error is what firewalld answers when it refuses: "CODE: text", or the code
// alone.
type Error struct {
	Code Code
	Text string
}

func (e *Error) Error() string {
	if e.Text == "" {
		return string(e.Code)
	}
	return string(e.Code) + ": " + e.Text
}

func Fail(code Code, text string) error { return &Error{code, text} }

// ParseError reads an Error back from its text.
func ParseError(s string) *Error {
	code, text, _ := strings.Cut(s, ": ")
	return &Error{Code(code), text}
}

// Warning reports that the error is only told, and nothing failed: what was
// asked for is so already.
func (e *Error) Warning() bool {
	switch e.Code {
	case "ALREADY_ENABLED", "NOT_ENABLED", "ZONE_ALREADY_SET", "ALREADY_SET":
		return true
	}
	return false
}

// exitStatus is the table EXIT CODES of firewall-cmd(1).
var exitStatus = map[Code]int{
	"ALREADY_ENABLED": 11, "NOT_ENABLED": 12, "COMMAND_FAILED": 13, "NO_IPV6_NAT": 14, "PANIC_MODE": 15,
	"ZONE_ALREADY_SET": 16, "UNKNOWN_INTERFACE": 17, "ZONE_CONFLICT": 18, "BUILTIN_CHAIN": 19,
	"EBTABLES_NO_REJECT": 20, "NOT_OVERLOADABLE": 21, "NO_DEFAULTS": 22, "BUILTIN_ZONE": 23, "BUILTIN_SERVICE": 24,
	"BUILTIN_ICMPTYPE": 25, "NAME_CONFLICT": 26, "NAME_MISMATCH": 27, "PARSE_ERROR": 28, "ACCESS_DENIED": 29,
	"UNKNOWN_SOURCE": 30, "RT_TO_PERM_FAILED": 31, "IPSET_WITH_TIMEOUT": 32, "BUILTIN_IPSET": 33,
	"ALREADY_SET": 34, "MISSING_IMPORT": 35, "DBUS_ERROR": 36, "BUILTIN_HELPER": 37, "NOT_APPLIED": 38,
	"INVALID_ACTION": 100, "INVALID_SERVICE": 101, "INVALID_PORT": 102, "INVALID_PROTOCOL": 103,
	"INVALID_INTERFACE": 104, "INVALID_ADDR": 105, "INVALID_FORWARD": 106, "INVALID_ICMPTYPE": 107,
	"INVALID_TABLE": 108, "INVALID_CHAIN": 109, "INVALID_TARGET": 110, "INVALID_IPV": 111, "INVALID_ZONE": 112,
	"INVALID_PROPERTY": 113, "INVALID_VALUE": 114, "INVALID_OBJECT": 115, "INVALID_NAME": 116,
	"INVALID_FILENAME": 117, "INVALID_DIRECTORY": 118, "INVALID_TYPE": 119, "INVALID_SETTING": 120,
	"INVALID_DESTINATION": 121, "INVALID_RULE": 122, "INVALID_LIMIT": 123, "INVALID_FAMILY": 124,
	"INVALID_LOG_LEVEL": 125, "INVALID_AUDIT_TYPE": 126, "INVALID_MARK": 127, "INVALID_CONTEXT": 128,
	"INVALID_COMMAND": 129, "INVALID_USER": 130, "INVALID_UID": 131, "INVALID_MODULE": 132,
	"INVALID_PASSTHROUGH": 133, "INVALID_MAC": 134, "INVALID_IPSET": 135, "INVALID_ENTRY": 136,
	"INVALID_OPTION": 137, "INVALID_HELPER": 138, "INVALID_PRIORITY": 139, "INVALID_POLICY": 140,
	"INVALID_LOG_PREFIX": 141, "INVALID_NFLOG_GROUP": 142, "INVALID_NFLOG_QUEUE": 143,
	"MISSING_TABLE": 200, "MISSING_CHAIN": 201, "MISSING_PORT": 202, "MISSING_PROTOCOL": 203,
	"MISSING_ADDR": 204, "MISSING_NAME": 205, "MISSING_SETTING": 206, "MISSING_FAMILY": 207,
	"RUNNING_BUT_FAILED": 251, "NOT_RUNNING": 252, "NOT_AUTHORIZED": 253,
}

// Status returns the exit status for the error; what has none is UNKNOWN_ERROR.
func (e *Error) Status() int {
	if n, ok := exitStatus[e.Code]; ok {
		return n
	}
	return 254
}
