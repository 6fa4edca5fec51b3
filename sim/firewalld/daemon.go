package firewalld

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"enshu/sim/firewalld/conf"
	"enshu/sim/firewalld/rules"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/nft"
	"enshu/sim/trace"
)

const (
	logFile    = "/var/log/firewalld"
	ifaceDir   = "/sys/class/net"
	runtimeDir = "/run/firewalld"
)

// daemon is a running firewalld.
type daemon struct {
	p *host.Proc

	mu     sync.Mutex // guards what follows; held for one request at a time
	perm   *config    // what the files have, with what was made permanent since
	loaded *config    // the files as they were when they were last loaded
	rt     *rules.State
	auto   map[string]bool // interfaces that follow the default zone
	age    int             // counts the reloads
	failed bool            // the configuration could not be used
	// lockdown and whitelist say who may make changes: the latter, when it is on.
	lockdown  bool
	whitelist conf.Whitelist
	conns     map[net.Conn]bool
}

const usage = "usage: firewalld [-h] [--debug [level]] [--debug-gc] [--nofork] [--nopid]\n"

// Firewalld is firewalld(1): it keeps the zones and gives the host's packet
// filter the rules that they come to. SIGHUP reloads.
func Firewalld(ctx context.Context, p *host.Proc) int {
	for _, a := range p.Args[1:] {
		switch {
		case a == "--nofork", a == "--nopid", a == "--debug-gc", strings.HasPrefix(a, "--debug"):
		case a == "-h", a == "--help":
			fmt.Fprint(p.Stdout, usage)
			return 0
		default:
			fmt.Fprintf(p.Stderr, "%sfirewalld: error: unrecognized arguments: %s\n", usage, a)
			return 2
		}
	}
	if p.UID != 0 {
		fmt.Fprintf(p.Stdout, "You need to be root to run %s.\n", p.Path)
		return 255
	}
	p.Catch(syscall.SIGHUP)
	d := &daemon{p: p, conns: map[net.Conn]bool{}}
	d.start()
	l, err := d.listen()
	if err != nil {
		fmt.Fprintf(p.Stderr, "ERROR: %s: %s\n", socketPath, libc.Strerror(err))
		return 1
	}
	p.Go(func() { d.accept(ctx, l) })
	p.Ready()
	for {
		if _, err := p.WaitSignal(ctx); err != nil {
			break
		}
		d.mu.Lock()
		d.answer(d.reload())
		d.mu.Unlock()
	}
	d.stop(l)
	return 0
}

// start loads the configuration and puts it into force. What is wrong with the
// administrator's files is told, and the package's are used alone.
func (d *daemon) start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	cfg, err := loadConfig(d.p, false)
	if err != nil {
		d.log(err)
		d.note("ERROR", "Failed to load user configuration. Falling back to full stock configuration.")
		d.failed = true
		if cfg, err = loadConfig(d.p, true); err != nil {
			d.log(err)
			cfg = newConfig()
		}
	}
	d.use(cfg)
	if err := d.apply(); err != nil {
		d.failed = true
		d.log(err)
	}
	d.p.Emit(trace.FirewallChanged, trace.Attrs{"zone": d.rt.Default, "change": "started"})
}

func (d *daemon) listen() (net.Listener, error) {
	if err := libc.MkdirAll(d.p, runtimeDir, 0o755); err != nil {
		return nil, err
	}
	d.p.Sys.Remove(socketPath) // of one that was killed
	l, err := d.p.Sys.Listen("unix", socketPath)
	if err != nil {
		return nil, err
	}
	return l, d.p.Sys.Chmod(socketPath, 0o666)
}

func (d *daemon) stop(l net.Listener) {
	l.Close()
	d.p.Sys.Remove(socketPath)
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		c.Close()
	}
	d.conns = nil
	if d.perm.conf.Yes("CleanupOnExit") && d.p.Host.Filter != nil {
		if err := d.p.Host.Filter.Apply(&nft.Ruleset{}); err != nil {
			d.note("ERROR", err.Error())
		}
		d.p.Emit(trace.FirewallChanged, trace.Attrs{"zone": d.rt.Default, "change": "stopped"})
	}
}

func (d *daemon) accept(ctx context.Context, l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() == nil {
				d.note("ERROR", err.Error())
			}
			return
		}
		d.mu.Lock()
		over := d.conns == nil
		if !over {
			d.conns[conn] = true
		}
		d.mu.Unlock()
		if over {
			conn.Close()
			return
		}
		d.p.Go(func() { d.serve(ctx, conn) })
	}
}

// serve answers one firewall-cmd.
func (d *daemon) serve(ctx context.Context, conn net.Conn) {
	defer func() {
		conn.Close()
		d.mu.Lock()
		delete(d.conns, conn)
		d.mu.Unlock()
	}()
	uid := -1
	if c, ok := conn.(host.PeerCred); ok {
		if cred, err := c.PeerCred(); err == nil {
			uid = int(cred.UID)
		}
	}
	in := bufio.NewReader(conn)
	for {
		line, err := readLine(in)
		if err != nil {
			return
		}
		answer := d.request(ctx, line, uid)
		if _, err := conn.Write(append(answer, '\n')); err != nil {
			return
		}
	}
}

// request answers one line of the protocol.
func (d *daemon) request(ctx context.Context, line []byte, uid int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	var q request
	a := &reply{Error: "INVALID_COMMAND"}
	if err := json.Unmarshal(line, &q); err == nil {
		a = d.handle(ctx, q, uid)
	}
	// Encoded with mu held: the reply has parts of the state.
	data, err := json.Marshal(a)
	if err != nil {
		data = []byte(`{"Error":"COMMAND_FAILED"}`)
	}
	return data
}

// log notes an error where firewalld does: what is so already as a warning.
func (d *daemon) log(err error) {
	level := "ERROR"
	if e, ok := err.(*conf.Error); ok && e.Warning() {
		level = "WARNING"
	}
	d.note(level, err.Error())
}

// note writes to stderr, which is the journal's, and to the log file.
func (d *daemon) note(level, text string) {
	fmt.Fprintf(d.p.Stderr, "%s: %s\n", level, text)
	line := fmt.Sprintf("%s %s: %s\n", libc.LocalTime(d.p).Format(time.DateTime), level, text)
	libc.AppendFile(d.p, logFile, []byte(line), 0o640) // a full disk does not stop the firewall
}

// answer makes a reply of an error, which it logs.
func (d *daemon) answer(err error) *reply {
	if err == nil {
		return &reply{}
	}
	d.log(err)
	return &reply{Error: err.Error()}
}

// use makes a configuration the loaded one and builds the runtime state of it.
func (d *daemon) use(cfg *config) {
	panicked := d.rt != nil && d.rt.Panic
	d.perm, d.loaded = cfg, cfg.clone()
	d.lockdown, d.whitelist = cfg.conf.Yes("Lockdown"), cfg.whitelist.Clone()
	d.age++
	d.auto = map[string]bool{}
	d.rt = &rules.State{
		Default: cfg.conf.Get("DefaultZone"), Zones: map[string]*conf.Zone{}, IPSets: map[string]*conf.IPSet{}, Policies: map[string]*conf.Policy{},
		Direct: cfg.direct.Clone(), Denied: cfg.conf.Get("LogDenied"), Panic: panicked,
		RPFilter: cfg.conf.Yes("IPv6_rpfilter"), RFC3964: cfg.conf.Yes("RFC3964_IPv4"),
		Service:  func(name string) *conf.Service { return get[conf.Service](d.loaded, d.p, conf.Services, name) },
		Helper:   func(name string) *conf.Helper { return get[conf.Helper](d.loaded, d.p, conf.Helpers, name) },
		ICMPType: d.icmpType,
	}
	if !slices.Contains(conf.LogDeniedValues, d.rt.Denied) {
		d.rt.Denied = "off"
	}
	for k, x := range cfg.defs {
		switch x := x.Copy().(type) {
		case *conf.Zone:
			x.Loaded()
			d.rt.Zones[k.name] = x
		case *conf.Policy:
			x.Loaded()
			d.rt.Policies[k.name] = x
		case *conf.IPSet:
			d.rt.IPSets[k.name] = x
			d.rt.Used = append(d.rt.Used, k.name)
		}
	}
	slices.Sort(d.rt.Used)
	if d.rt.Zones[d.rt.Default] == nil {
		d.note("ERROR", "DefaultZone is '"+d.rt.Default+"' but there is no such zone; using 'public'")
		d.rt.Default = "public"
		if d.rt.Zones["public"] == nil {
			d.rt.Zones["public"] = &conf.Zone{Label: conf.Label{Name: "public"}, Target: "default"}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.rt.Zones)) {
		z := d.rt.Zones[name]
		d.rt.Bound = append(d.rt.Bound, z.Values(conf.KindInterface)...)
		if len(z.Values(conf.KindInterface))+len(z.Values(conf.KindSource)) > 0 {
			d.rt.Applied = append(d.rt.Applied, name)
		}
	}
	d.applied(d.rt.Default)
	d.rt.BeforePolicies = len(d.rt.Applied)
	d.bindInterfaces()
	d.p.Emit(trace.ConfigLoaded, trace.Attrs{"file": userDir, "errors": ""})
}

// icmpType returns the messages of an ICMP type, of the families that the
// configuration gives it.
func (d *daemon) icmpType(name string) conf.ICMPType {
	n := get[conf.ICMPName](d.loaded, d.p, conf.ICMPNames, name)
	if n == nil {
		return conf.ICMPTypes[name]
	}
	return conf.ICMPTypes[name].Of(n.Families())
}

// bindInterfaces puts each interface that no zone names into the default zone,
// as NetworkManager does for its connections.
func (d *daemon) bindInterfaces() {
	names, _ := libc.ReadDir(d.p, ifaceDir)
	for _, name := range names {
		if name != "lo" && conf.CheckInterface(name) == nil && d.rt.ZoneOf(conf.KindInterface, name) == "" {
			d.bind(d.rt.Default, conf.KindInterface, name)
			d.auto[name] = true
		}
	}
}

// applied notes that a zone has chains.
func (d *daemon) applied(zone string) {
	if !slices.Contains(d.rt.Applied, zone) {
		d.rt.Applied = append(d.rt.Applied, zone)
	}
}

// missing is the first thing that a rule in force names and that is not there.
func (d *daemon) missing() error {
	var parts []*conf.Zone
	for _, name := range d.rt.Applied {
		parts = append(parts, d.rt.Zones[name])
	}
	for _, name := range d.definitions(conf.Policies) {
		if p := d.rt.Policies[name]; d.rt.Active(p) {
			if err := d.rt.Fits(p); err != nil {
				return err
			}
			parts = append(parts, &p.Zone)
		}
	}
	for _, z := range parts {
		for _, e := range z.Elements {
			if e.Kind != conf.KindRule && e.Kind != conf.KindSource && e.Kind != conf.KindICMPBlock && e.Kind != conf.KindService {
				continue
			}
			if _, err := d.lookup(e); err != nil {
				return err
			}
			if e.Kind != conf.KindService {
				continue
			}
			if s := d.rt.Service(e.Value); s != nil {
				for _, h := range s.Helpers {
					if !d.loaded.has(conf.Helpers, h) {
						return unknown(conf.Helpers, h)
					}
				}
			}
		}
	}
	return nil
}

// apply puts the runtime state into force.
func (d *daemon) apply() error {
	if d.p.Host.Filter == nil {
		return nil
	}
	if err := d.p.Host.Filter.Apply(d.rt.Compile()); err != nil {
		return conf.Fail("COMMAND_FAILED", err.Error())
	}
	return nil
}

// reload loads the permanent configuration and forgets what was set at run time.
func (d *daemon) reload() error {
	cfg, err := loadConfig(d.p, false)
	if err != nil {
		d.p.Emit(trace.ConfigLoaded, trace.Attrs{"file": userDir, "errors": err.Error()})
		return err
	}
	d.use(cfg)
	d.failed = false
	d.p.Emit(trace.FirewallChanged, trace.Attrs{"zone": d.rt.Default, "change": "reloaded"})
	if err := d.missing(); err != nil {
		// The table is there and has nothing in it, as firewalld leaves it.
		d.failed = true
		if d.p.Host.Filter != nil {
			d.p.Host.Filter.Apply(&nft.Ruleset{Tables: []*nft.Table{{Family: "inet", Name: "firewalld"}}})
		}
		return err
	}
	return d.apply()
}
