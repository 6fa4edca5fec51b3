package candm

// Command is the number of a request.
type Command uint16

// The commands of chrony 4.3.
const (
	Null             Command = 0
	Online           Command = 1
	Offline          Command = 2
	Burst            Command = 3
	ModifyMinPoll    Command = 4
	ModifyMaxPoll    Command = 5
	Dump             Command = 6
	ModifyMaxDelay   Command = 7
	ModifyDelayRatio Command = 8
	ModifyUpdateSkew Command = 9
	Logon            Command = 10
	SetTime          Command = 11
	Manual           Command = 13
	NSources         Command = 14
	GetSourceData    Command = 15
	Rekey            Command = 16
	Allow            Command = 17
	AllowAll         Command = 18
	Deny             Command = 19
	DenyAll          Command = 20
	CmdAllow         Command = 21
	CmdAllowAll      Command = 22
	CmdDeny          Command = 23
	CmdDenyAll       Command = 24
	AccessCheck      Command = 25
	CmdAccessCheck   Command = 26
	DeleteSource     Command = 29
	WriteRTC         Command = 30
	DeltaFreq        Command = 31
	GetTracking      Command = 33
	GetSourceStats   Command = 34
	GetRTC           Command = 35
	TrimRTC          Command = 36
	CycleLogs        Command = 37
	GetManualList    Command = 41
	ManualDelete     Command = 42
	MakeStep         Command = 43
	GetActivity      Command = 44
	ModifyMinStratum Command = 45
	ModifyPollTarget Command = 46
	ModifyDelayDev   Command = 47
	Reselect         Command = 48
	ReselectDistance Command = 49
	ModifyMakeStep   Command = 50
	GetSmoothing     Command = 51
	SmoothTime       Command = 52
	Refresh          Command = 53
	GetServerStats   Command = 54
	Local            Command = 56
	GetNTPData       Command = 57
	Shutdown         Command = 62
	OnOffline        Command = 63
	AddSource        Command = 64
	GetSourceName    Command = 65
	ResetSources     Command = 66
	GetAuthData      Command = 67
	GetClients       Command = 68
	GetSelectData    Command = 69
	ReloadSources    Command = 70
	DeltaOffset      Command = 71
)

// command is what the protocol says of one command.
type command struct {
	length int  // of the whole request
	open   bool // also served over UDP
	body   func() Body
}

func of[T any, P interface {
	*T
	Body
}]() func() Body {
	return func() Body { return P(new(T)) }
}

var commands = map[Command]command{
	Null:             {length: 28, open: true},
	Online:           {60, false, of[Mask]()},
	Offline:          {60, false, of[Mask]()},
	Burst:            {68, false, of[BurstArgs]()},
	ModifyMinPoll:    {44, false, of[SourceInt]()},
	ModifyMaxPoll:    {44, false, of[SourceInt]()},
	Dump:             {28, false, of[Int]()},
	ModifyMaxDelay:   {44, false, of[SourceFloat]()},
	ModifyDelayRatio: {44, false, of[SourceFloat]()},
	ModifyUpdateSkew: {28, false, of[Float]()},
	Logon:            {length: 32, open: true},
	SetTime:          {40, false, of[Timestamp]()},
	Manual:           {28, false, of[Int]()},
	NSources:         {length: 32, open: true},
	GetSourceData:    {76, true, of[Index]()},
	Rekey:            {length: 28},
	Allow:            {44, false, of[SourceInt]()},
	AllowAll:         {44, false, of[SourceInt]()},
	Deny:             {44, false, of[SourceInt]()},
	DenyAll:          {44, false, of[SourceInt]()},
	CmdAllow:         {44, false, of[SourceInt]()},
	CmdAllowAll:      {44, false, of[SourceInt]()},
	CmdDeny:          {44, false, of[SourceInt]()},
	CmdDenyAll:       {44, false, of[SourceInt]()},
	AccessCheck:      {40, false, of[Source]()},
	CmdAccessCheck:   {40, false, of[Source]()},
	DeleteSource:     {40, false, of[Source]()},
	WriteRTC:         {length: 28},
	DeltaFreq:        {28, false, of[Float]()},
	GetTracking:      {length: 104, open: true},
	GetSourceStats:   {84, true, of[Index]()},
	GetRTC:           {length: 56, open: true},
	TrimRTC:          {length: 28},
	CycleLogs:        {length: 28},
	GetManualList:    {length: 416, open: true},
	ManualDelete:     {28, false, of[Int]()},
	MakeStep:         {length: 28},
	GetActivity:      {length: 48, open: true},
	ModifyMinStratum: {44, false, of[SourceInt]()},
	ModifyPollTarget: {44, false, of[SourceInt]()},
	ModifyDelayDev:   {44, false, of[SourceFloat]()},
	Reselect:         {length: 28},
	ReselectDistance: {28, false, of[Float]()},
	ModifyMakeStep:   {28, false, of[MakeStepArgs]()},
	GetSmoothing:     {length: 52, open: true},
	SmoothTime:       {28, false, of[Int]()},
	Refresh:          {length: 28},
	GetServerStats:   {length: 72},
	Local:            {36, false, of[LocalArgs]()},
	GetNTPData:       {152, false, of[Source]()},
	Shutdown:         {length: 28},
	OnOffline:        {length: 28},
	AddSource:        {372, false, of[NewSource]()},
	GetSourceName:    {284, true, of[Source]()},
	ResetSources:     {length: 28},
	GetAuthData:      {52, false, of[Source]()},
	GetClients:       {520, false, of[ClientsArgs]()},
	GetSelectData:    {76, false, of[Index]()},
	ReloadSources:    {length: 28},
	DeltaOffset:      {28, false, of[Float]()},
}

// Open reports whether the command is served over UDP too.
func (c Command) Open() bool { return commands[c].open }
