package scenario

import (
	"net/netip"

	"enshu/sim/lang"
)

// Lab is a checked lab file with the variables of one attempt filled in.
type Lab struct {
	ID         string     `lab:"lab,required" doc:"Identifier: lower-case words joined by hyphens."`
	Title      Text       `lab:"title,required" doc:"What the catalogue shows."`
	Text       Text       `lab:"text" doc:"The situation, in Markdown."`
	Objectives []string   `lab:"objectives,required" doc:"Exam objectives, such as 1.09.2."`
	Difficulty int        `lab:"difficulty" doc:"1 (first steps) to 5."`
	Time       Duration   `lab:"time" doc:"How long a learner may need."`
	Vars       []Var      `lab:"vars,keyed" doc:"Drawn once an attempt from its seed; {{name}} stands for the value everywhere in the file."`
	Networks   []Network  `lab:"networks,keyed" doc:"Bridges that hosts join."`
	DNS        *DNS       `lab:"dns" doc:"The name server of the lab; without it names come from /etc/hosts."`
	Hosts      []Host     `lab:"hosts,required,keyed" doc:"The machines."`
	Shell      HostName   `lab:"shell" doc:"The host whose shell a learner is given; by default the first."`
	Tasks      []Task     `lab:"tasks,required" doc:"What the learner is asked to do, in order."`
	Solutions  []Solution `lab:"solutions" doc:"Ways that pass every check."`
	Mistakes   []Mistake  `lab:"mistakes" doc:"Wrong ways, each with the diagnosis it must get."`

	// Values are the variables as they were drawn.
	Values map[string]string `lab:"-"`
}

// Text is what a learner reads, in both languages.
type Text = lang.Text

// Var is a variable of an attempt; one of its ways to be drawn is given.
type Var struct {
	Name  string   `lab:",key"`
	Pick  []string `lab:"pick" doc:"One of these."`
	Token int      `lab:"token" doc:"So many random lower-case letters and digits."`
	Int   []int    `lab:"int" doc:"A whole number from the first to the second."`
}

// Network is a bridge.
type Network struct {
	Name   string       `lab:",key"`
	Subnet netip.Prefix `lab:"subnet,required" doc:"Such as 192.168.0.0/24."`
	Delay  Duration     `lab:"delay" doc:"How long a packet takes between any two hosts, one way."`
	Jitter Duration     `lab:"jitter" doc:"Up to this is added to the delay of each packet."`
	Loss   Percent      `lab:"loss" doc:"Share of packets that are lost."`
}

// DNS is what the lab's name server answers. Hosts use it by /etc/resolv.conf.
type DNS struct {
	Host    HostName    `lab:"host,required" doc:"The host that the name server stands on."`
	Records []DNSRecord `lab:"records,required,keyed" doc:"Names with their addresses and mail exchangers."`
}

// DNSRecord is a name of the lab's name server.
type DNSRecord struct {
	Name      string       `lab:",key"`
	Addresses []netip.Addr `lab:"addresses,value" doc:"A and AAAA records."`
	MX        []string     `lab:"mx" doc:"Mail exchangers, the preferred first."`
}

// Host is a machine.
type Host struct {
	Name     string        `lab:",key"`
	Pos      Pos           `lab:"-"`
	Hostname string        `lab:"hostname" doc:"What hostname(1) says; by default the host's name here."`
	Networks []Interface   `lab:"networks,keyed" doc:"Network to address."`
	Packages []PackageName `lab:"packages" doc:"Beyond those every host has."`
	Users    []string      `lab:"users" doc:"Ordinary users beyond those every host has."`
	Files    []File        `lab:"files,keyed" doc:"Path to contents."`
	Clock    *Clock        `lab:"clock" doc:"How wrong the clock is."`
	Refclock *Refclock     `lab:"refclock" doc:"A reference clock (GPS) that chronyd can use (refclock SHM 0, PPS /dev/pps0, PHC /dev/ptp0), which makes the host stratum 1."`
	Services []Service     `lab:"services,keyed" doc:"Unit to state, where it differs from the distribution."`
	Setup    string        `lab:"setup" doc:"Shell, run by root before the learner enters."`
	Timezone Timezone      `lab:"timezone" doc:"By default Asia/Tokyo."`
	Disk     Size          `lab:"disk" doc:"Room for the host's files; by default 64M."`
	Memory   Size          `lab:"memory" doc:"What one process may use for its data, at least 192M, and what the boot messages tell; by default 256M."`
	Pids     int           `lab:"pids" doc:"Processes of one user at once; by default 256."`
}

// Defaults of a host.
const (
	DefaultTimezone Timezone = "Asia/Tokyo"
	DefaultDisk     Size     = 64 << 20
	DefaultMemory   Size     = 256 << 20
	DefaultPids              = 256
)

// Interface is a host's place on a network.
type Interface struct {
	Network NetworkName `lab:",key"`
	Address netip.Addr  `lab:"address,value,required"`
	// The host's line to the network, beyond what the network does itself.
	Delay     Duration `lab:"delay" doc:"How long the host's line takes, each way, on top of the network's delay."`
	Jitter    Duration `lab:"jitter" doc:"Up to this is added to the delay of each packet."`
	Loss      Percent  `lab:"loss" doc:"Share of packets that the line loses, each way."`
	Asymmetry Duration `lab:"asymmetry" doc:"By how much what the host sends takes longer than what it receives; half of it is added one way and taken off the other."`
}

// File is a file, or with Link a symbolic link, that a lab puts on a host.
type File struct {
	Path    Path   `lab:",key"`
	Content string `lab:"content,value" doc:"What is in it."`
	Link    string `lab:"link" doc:"The target, for a symbolic link."`
	Mode    Mode   `lab:"mode" doc:"By default 0644."`
	Owner   string `lab:"owner" doc:"user or user:group; by default root."`
}

// Clock is how a host's clock starts.
type Clock struct {
	Offset Duration `lab:"offset" doc:"Ahead of true time; negative is behind."`
	Drift  PPM      `lab:"drift" doc:"What it gains; negative is slow."`
}

// Refclock is a reference clock: a receiver, which chronyd knows as SHM 0, with
// the pulse of each second, /dev/pps0, and a network card's clock that follows
// it, /dev/ptp0.
type Refclock struct {
	RefID  string   `lab:"refid" doc:"Four letters that chronyc shows; by default GPS. They count where the lab file does not bring the host's /etc/chrony.conf."`
	Offset Duration `lab:"offset" doc:"How wrong it is: a falseticker has some."`
	Drift  PPM      `lab:"drift" doc:"How fast it gets more wrong: a receiver that lost its signal."`
}

// Service is a unit whose state differs from the distribution's.
type Service struct {
	Unit  UnitName     `lab:",key"`
	State ServiceState `lab:"state,value,required"`
}

// ServiceState is how a unit starts.
type ServiceState string

// The states: started and stopped are for now, enabled and disabled are those
// and at boot too.
const (
	Started  ServiceState = "started"
	Stopped  ServiceState = "stopped"
	Enabled  ServiceState = "enabled"
	Disabled ServiceState = "disabled"
	Masked   ServiceState = "masked"
)

// Task is what the learner is asked to do.
type Task struct {
	ID     string     `lab:"id,required" doc:"Identifier within the lab."`
	Pos    Pos        `lab:"-"`
	Title  Text       `lab:"title,required" doc:"One line."`
	Text   Text       `lab:"text" doc:"Markdown."`
	Points int        `lab:"points" doc:"What it is worth; by default 10."`
	Needs  []TaskName `lab:"needs" doc:"Tasks that must pass before this one is tried."`
	Hints  []Text     `lab:"hints" doc:"One at a time, each closer to the answer."`
	Checks []Check    `lab:"checks,required" doc:"What must hold."`
}

// DefaultPoints is what a task without points is worth.
const DefaultPoints = 10

// Check is one thing that must hold; Args is a pointer to the struct of its kind.
type Check struct {
	Kind   string
	Pos    Pos
	Args   any
	Within Duration // how long it may take to hold; 0 leaves it to the kind
	Not    bool     // it must not hold
}

// Solution is a way that passes.
type Solution struct {
	Name  string `lab:"name,required"`
	Pos   Pos    `lab:"-"`
	Title *Text  `lab:"title" doc:"What is different about this way."`
	Steps []Step `lab:"steps,required" doc:"Commands in order."`
}

// Step is a command on a host.
type Step struct {
	ID   string   `lab:"id" doc:"Name by which a mistake leaves it out or replaces it."`
	Pos  Pos      `lab:"-"`
	Host HostName `lab:"host,required"`
	User UserName `lab:"user" doc:"By default root."`
	Run  string   `lab:"run,required" doc:"Shell; a status other than 0 is an error of the lab."`
}

// Mistake is a wrong way: a solution with steps left out, replaced or added.
type Mistake struct {
	Name    string        `lab:"name,required"`
	Pos     Pos           `lab:"-"`
	From    string        `lab:"from" doc:"The solution it starts from; without it only steps are run."`
	Without []string      `lab:"without" doc:"Steps to leave out."`
	Replace []Replacement `lab:"replace,keyed" doc:"Step to the command that is run instead."`
	Steps   []Step        `lab:"steps" doc:"Commands to run afterwards."`
	Fails   []Failure     `lab:"fails,required,keyed" doc:"Task to the link at which it must fail."`
}

// Replacement is another command for a step.
type Replacement struct {
	Step string `lab:",key"`
	Run  string `lab:"run,value,required"`
}

// Failure is the diagnosis that a mistake must get.
type Failure struct {
	Task TaskName `lab:",key"`
	Link string   `lab:"link,value,required" doc:"Name of the broken link."`
}

// Host returns the host of a name, nil when the lab has none.
func (l *Lab) Host(name string) *Host {
	for i := range l.Hosts {
		if l.Hosts[i].Name == name {
			return &l.Hosts[i]
		}
	}
	return nil
}

// Task returns the task of an id, nil when the lab has none.
func (l *Lab) Task(id string) *Task {
	for i := range l.Tasks {
		if l.Tasks[i].ID == id {
			return &l.Tasks[i]
		}
	}
	return nil
}

// Solution returns the solution of a name, nil when the lab has none.
func (l *Lab) Solution(name string) *Solution {
	for i := range l.Solutions {
		if l.Solutions[i].Name == name {
			return &l.Solutions[i]
		}
	}
	return nil
}

// StepsOf returns what a mistake runs.
func (l *Lab) StepsOf(m *Mistake) []Step {
	var steps []Step
	if s := l.Solution(m.From); s != nil {
	step:
		for _, step := range s.Steps {
			for _, id := range m.Without {
				if step.ID == id {
					continue step
				}
			}
			for _, r := range m.Replace {
				if step.ID == r.Step {
					step.Run = r.Run
				}
			}
			steps = append(steps, step)
		}
	}
	return append(steps, m.Steps...)
}
