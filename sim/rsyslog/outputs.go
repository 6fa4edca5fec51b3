package rsyslog

import "net"

// actionConfig is one action of the configuration.
type actionConfig struct {
	pos             position
	name, module    string
	text            string // as the configuration words it
	number          int
	out             outputConfig
	template        *template
	fileTemplate    *template
	resumeRetry     int // -1 is for ever
	resumeEvery     int // seconds
	reportSuspended bool
	reportContinued bool
	onlySuspended   bool
	onlyEvery       int // seconds
	everyNth        int
	writeMarks      bool
	repeated        bool // $RepeatedMsgReduction
	queue           queueConfig
}

// outputConfig is what an action writes with: one of the types below.
type outputConfig interface{ output() }

// fileConfig is omfile: a file, or files whose names a template makes.
type fileConfig struct {
	name    string
	modes   fileModes
	dynamic bool
}

// pipeConfig is ompipe: a named pipe.
type pipeConfig struct{ name string }

// forwardConfig is omfwd: a syslog server elsewhere.
type forwardConfig struct {
	host, port string
	tcp        bool
	counted    bool // octet-counted framing
	delimiter  byte
	interval   int // messages after which to connect anew
}

// usersConfig is omusrmsg: users who are logged in.
type usersConfig struct {
	names     []string
	everybody bool
}

// shellConfig is omshell: a program that gets each message as its argument.
type shellConfig struct{ name string }

// programConfig is omprog: a program that reads messages.
type programConfig struct {
	command []string
	confirm bool
	file    string // what the program prints goes there
}

// discardConfig is omdiscard.
type discardConfig struct{}

func (*fileConfig) output()    {}
func (*pipeConfig) output()    {}
func (*forwardConfig) output() {}
func (*usersConfig) output()   {}
func (*shellConfig) output()   {}
func (*programConfig) output() {}
func (discardConfig) output()  {}

// String writes the target as a rule of the old syntax does.
func (f *forwardConfig) String() string {
	at := "@"
	if f.tcp {
		at = "@@"
	}
	if f.counted {
		at += "(o)"
	}
	return at + f.address()
}

func (f *forwardConfig) address() string { return net.JoinHostPort(f.host, f.port) }

func (f *forwardConfig) over() string {
	if f.tcp {
		return "tcp"
	}
	return "udp"
}
