package config

import (
	"net"

	"enshu/sim/rsyslog/script"
	"enshu/sim/rsyslog/template"
)

// Action is one action of the configuration.
type Action struct {
	Pos             script.Position
	Name, Module    string
	Text            string // as the configuration words it
	number          int
	Output          Output
	Template        *template.Template
	FileTemplate    *template.Template
	ResumeRetry     int // -1 is for ever
	ResumeEvery     int // seconds
	ReportSuspended bool
	ReportContinued bool
	OnlySuspended   bool
	OnlyEvery       int // seconds
	EveryNth        int
	WriteMarks      bool
	Repeated        bool // $RepeatedMsgReduction
	Queue           Queue
}

// Output is what an action writes with: one of the types below.
type Output interface{ output() }

// File is omfile: a file, or files whose names a template makes.
type File struct {
	Name    string
	Modes   FileModes
	Dynamic bool
}

// Pipe is ompipe: a named pipe.
type Pipe struct{ Name string }

// Forward is omfwd: a syslog server elsewhere.
type Forward struct {
	Host, Port string
	Nowhere    bool // no host was named; an empty name is one
	TCP        bool
	Counted    bool // octet-counted framing
	Delimiter  byte
	Interval   int // messages after which to connect anew
}

// Users is omusrmsg: users who are logged in.
type Users struct {
	Names     []string
	Everybody bool
}

// Shell is omshell: a program that gets each message as its argument.
type Shell struct{ Name string }

// Program is omprog: a program that reads messages.
type Program struct {
	Command []string
	confirm bool
	File    string // what the program prints goes there
}

// Discard is omdiscard.
type Discard struct{}

func (*File) output()    {}
func (*Pipe) output()    {}
func (*Forward) output() {}
func (*Users) output()   {}
func (*Shell) output()   {}
func (*Program) output() {}
func (Discard) output()  {}

// String writes the target as a rule of the old syntax does.
func (f *Forward) String() string {
	at := "@"
	if f.TCP {
		at = "@@"
	}
	if f.Counted {
		at += "(o)"
	}
	return at + f.Address()
}

// Address is host and port, as the configuration tells them.
func (f *Forward) Address() string { return net.JoinHostPort(f.Host, f.Port) }

// Over is the protocol: "tcp" or "udp".
func (f *Forward) Over() string {
	if f.TCP {
		return "tcp"
	}
	return "udp"
}
