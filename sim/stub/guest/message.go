package guest

// A stub has two connections with the lab (SOCK_SEQPACKET, one message a packet),
// so that neither side needs to look for what it waits for. On one the lab asks
// and the stub replies, in turn: whoever asks waits in recvmsg(2) itself, and is
// woken by the stub's sendmsg(2) and by nothing in between. On the other the stub
// says what happens to it.
const (
	Calls = 'Q' // calls: number, flags, count, arguments; descriptors for them
	Spawn = 'F' // path, dir, args, env, each as ArgIn has it; flags, umask, calls as that of Calls with their number before, credentials; descriptors of the child
	Exit  = 'X' // exit status, signal; no reply
	Reply = 'R' // to Calls, per call: result, errno, out bytes; descriptors that were asked for. To Spawn: pid, errno

	Hello  = 'H' // pid, parent, real uid, umask, executable, directory, args, env; descriptors 0 1 2 and the other connection
	Signal = 'S' // signal received; of SIGCHLD the lab asks more (wait4(2))
)

// Limits of one message.
const (
	MaxMessage = 256 << 10
	MaxFiles   = 64
)

// Kinds of arguments of a call.
const (
	ArgInt    = iota
	ArgIn     // bytes for the kernel to read, with a NUL behind them
	ArgOut    // a buffer of that size for the kernel to fill
	ArgResult // the descriptor that the call of that index made
	ArgPassed // the descriptor of that index that came with the message
)

// Flags of a call.
const (
	MayFail   = 1 << iota // go on with the next call
	MakesFile             // the result is a descriptor, closed after the last call
	PassFile              // and is sent with the reply
	KeepFile              // and stays open when all calls went well: the stub is its owner for ss(8)
	NotFIFO               // not made, with EAGAIN, when the stat(2) structure of the call before is of a FIFO
	OnlyFile              // not made, with EAGAIN, unless that structure is of a regular file
	AsMuch                // of the buffer that is sent back, as many bytes as the result says
	outFirst              // argument 0's buffer is sent back; the next bits are for 1 to 5
)

// OutOf returns the flag that sends the buffer of argument i back.
func OutOf(i int) int64 { return outFirst << i }

// Flags of Spawn.
const (
	SpawnSession    = 1 << iota // setsid
	SpawnTerminal               // descriptor 0 becomes the controlling terminal
	SpawnCred                   // uid, gid, number of groups, groups follow
	SpawnKeepGroups             // setgroups is not allowed here (a single-id map)
)

// Message is one message, being written or being read. Integers are 8 bytes,
// little endian; strings are a length and bytes. Reading past the end gives
// zeros: neither side trusts the other's bytes.
type Message struct {
	Kind byte
	data []byte
	at   int
}

// Parse begins to read a message.
func Parse(b []byte) Message {
	if len(b) == 0 {
		return Message{}
	}
	return Message{Kind: b[0], data: b, at: 1}
}

// Reset begins to write another message in the room of the last one.
func (m *Message) Reset(kind byte) { m.Kind, m.data = kind, append(m.data[:0], kind) }

// Bytes returns the message as it is sent.
func (m *Message) Bytes() []byte {
	if m.data == nil {
		m.data = []byte{m.Kind}
	}
	m.data[0] = m.Kind
	return m.data
}

// Int appends an integer.
func (m *Message) Int(v int64) {
	m.Bytes()
	u := uint64(v)
	m.data = append(m.data, byte(u), byte(u>>8), byte(u>>16), byte(u>>24), byte(u>>32), byte(u>>40), byte(u>>48), byte(u>>56))
}

// Str appends a string.
func (m *Message) Str(s string) { m.Int(int64(len(s))); m.data = append(m.data, s...) }

// In appends a string as ArgIn has it.
func (m *Message) In(s string) {
	m.Int(int64(len(s)) + 1)
	m.data = append(append(m.data, s...), 0)
}

// Strs appends a list of strings.
func (m *Message) Strs(list []string) {
	m.Int(int64(len(list)))
	for _, s := range list {
		m.Str(s)
	}
}

// Ins appends a list of strings as ArgIn has them.
func (m *Message) Ins(list []string) {
	m.Int(int64(len(list)))
	for _, s := range list {
		m.In(s)
	}
}

// More reports whether something is left to read.
func (m *Message) More() bool { return m.at < len(m.data) }

// NextInt reads an integer.
func (m *Message) NextInt() int64 {
	if len(m.data)-m.at < 8 {
		m.at = len(m.data)
		return 0
	}
	b := m.data[m.at:]
	m.at += 8
	return int64(uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56)
}

// NextStr reads a string.
func (m *Message) NextStr() string {
	n := m.NextInt()
	if n < 0 || n > int64(len(m.data)-m.at) {
		m.at = len(m.data)
		return ""
	}
	s := string(m.data[m.at : m.at+int(n)])
	m.at += int(n)
	return s
}

// NextStrs reads a list of strings.
func (m *Message) NextStrs() []string {
	var list []string
	for n := m.NextInt(); n > 0 && m.More(); n-- {
		list = append(list, m.NextStr())
	}
	return list
}
