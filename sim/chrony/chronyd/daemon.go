package chronyd

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"enshu/sim/chrony/clients"
	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/discipline"
	"enshu/sim/chrony/measure"
	"enshu/sim/chrony/polling"
	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/ntp"
)

// daemon is a running chronyd. One thread, that of run, owns everything; the
// threads that read sockets or resolve names post functions to it. Only requests
// of NTP clients are answered where they are read, between two events.
type daemon struct {
	mu sync.Mutex // held during an event, and while a request is answered

	ctx  context.Context
	p    *host.Proc
	opts options
	conf *conf.Config
	log  logger
	rand *rand.Rand
	user libc.User

	queue   *clock.Queue[func()]
	sched   polling.Scheduler
	alarm   *clock.LocalTimer
	alarmAt time.Duration
	quit    bool
	status  int

	servo      *discipline.Servo
	slewTimer  *polling.Timer
	ref        discipline.Reference
	sel        measure.Selector
	sources    []*source
	nextID     uint32
	candidates []*measure.Candidate // of the sources, in order

	lastRaw  time.Time
	lastMono time.Duration

	keys          conf.Keys
	nts           ntsServer
	access        clients.Access
	cmd           clients.Access
	clients       *clients.Log
	files         logFiles
	manual        manualInput
	rtc           *rtcDriver // nil when it is not followed
	leap          leapState
	smooth        discipline.Smoothing
	fallback      discipline.Fallback
	driftAt       time.Time // cooked time of the last update
	fallbackTimer *polling.Timer
	quantum       float64 // of the clock, seconds
	precision     int8    // the same, log2

	ntpConns [2]*serverSocket
	acqConns [2]*serverSocket
	closers  []io.Closer

	pidWritten, socketMade bool
	driftSaved             time.Time
	driftStale             bool // the clock was updated since
	updates                int  // of the clock by its sources
	initSlew               *initSlew
	polling                bool // sources are being polled; false before initstepslew is done
	replaced               time.Time
}

func newDaemon(ctx context.Context, p *host.Proc, o options) *daemon {
	d := &daemon{
		ctx: ctx, p: p, opts: o, rand: p.Rand(),
		queue: clock.NewQueue[func()](p.Clock.Timeline(), 0),
		log:   logger{p: p, stderr: o.stderr, file: o.logFile, level: o.level},
		ref:   discipline.NewReference(),
	}
	d.ref.Fuzz = d.rand.Float64
	return d
}

// hostClock is the host's clock as the kernel lets chronyd steer it.
type hostClock struct{ c *clock.Local }

func (h hostClock) SetRate(ppm float64) { h.c.Adjust(-ppm) }
func (h hostClock) Step(s float64)      { h.c.Step(-measure.Seconds(s)) }

// noClock is a clock that must not be touched (-x).
type noClock struct{}

func (noClock) SetRate(float64) {}
func (noClock) Step(float64)    {}

// setUp makes the parts of the daemon after the configuration was read.
func (d *daemon) setUp() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.conf
	u, err := d.account()
	if err != nil {
		return err
	}
	d.user = u
	if c.Precision > 0 {
		d.precision = int8(min(max(math.Round(math.Log2(c.Precision)), -32), 0))
		d.quantum = c.Precision
	} else {
		d.precision = -25
		d.quantum = math.Ldexp(1, -25)
	}
	var k discipline.Kernel = hostClock{d.p.Clock}
	ppm := -d.p.Clock.Adjustment()
	if d.opts.noControl {
		k, ppm = noClock{}, 0
		d.log.info("Disabled control of system clock")
	}
	d.servo = discipline.NewServo(k, d.opts.noControl, d.p.Now(), ppm, c.MaxSlewRate, c.MaxDrift)
	d.ref.MaxUpdateSkew, d.ref.MaxClockError = math.Abs(c.MaxUpdateSkew*1e-6), c.MaxClockError*1e-6
	if d.opts.restart && c.Makestep.Limit > 0 {
		c.Makestep = conf.Makestep{}
	}
	d.ref.CorrTimeRatio, d.ref.Makestep, d.ref.MaxChange, d.ref.Local = c.CorrTimeRatio, c.Makestep, c.MaxChange, c.Local
	d.sel = measure.Selector{
		MaxDistance: c.MaxDistance, MaxJitter: c.MaxJitter, MaxClockError: c.MaxClockError * 1e-6,
		Reselect: c.ReselectDist, StratumWeight: c.StratumWeight, CombineLimit: c.CombineLimit, MinSources: c.MinSources,
	}
	if c.Local.Orphan {
		d.sel.OrphanStratum = c.Local.Stratum
	}
	d.smooth = discipline.NewSmoothing(c.Smooth)
	d.fallback = discipline.NewFallback(c.FallbackDrift)
	d.clients = clients.NewLog(c)
	d.files.open(d)
	if err := d.setAccess(); err != nil {
		return err
	}
	if err := d.checkConfig(); err != nil {
		return err
	}
	if err := d.openCommand(); err != nil {
		return err
	}
	d.loadKeys()
	d.openNTS()
	if d.opts.fromRTC {
		d.setFromRTC()
	}
	d.readDrift()
	d.setRate(d.p.Now())
	if err := d.openRefclocks(); err != nil {
		return err
	}
	d.lastRaw, d.lastMono = d.p.Now(), d.p.Clock.Monotonic()
	d.notes()
	if err := d.openTempcomp(); err != nil {
		return err
	}
	d.updateServerSockets()
	d.openAcquisition()
	d.manual.enabled = c.Manual
	if d.opts.timeout >= 0 {
		d.after(float64(d.opts.timeout), func() {
			d.log.info("Timeout reached")
			d.exit(1)
		})
	}
	d.logUnsynchronised()
	if dir := d.conf.DumpDir; dir != "" && !d.once() {
		if err := d.makeDir(dir, 0o750, d.user); err != nil {
			return conf.Errorf("Could not access %s : %s", dir, libc.Strerror(err))
		}
	}
	d.startSources()
	d.readDumps()
	return nil
}

// notes logs what of the configuration cannot be had on this host.
func (d *daemon) notes() {
	c := d.conf
	d.openRTC()
	if c.LockAll || d.opts.lock {
		d.log.error("setrlimit() failed")
	}
	d.openLeapZone()
	if d.smooth.Active {
		d.log.info("Time smoothing activated (leap seconds only)")
	}
	if d.opts.filter != 0 {
		d.log.info(fmt.Sprintf("Loaded seccomp filter (level %d)", max(d.opts.filter, -d.opts.filter)))
	}
	if c.NTPSigndSocket != "" {
		d.log.info("MS-SNTP authentication enabled")
	}
}

// run serves until the process is told to end. The result is the exit status.
func (d *daemon) run() int {
	d.p.Ready()
	for !d.quit {
		d.arm()
		f, err := d.queue.Get(d.ctx)
		if err != nil {
			break
		}
		d.event(f)
	}
	if d.alarm != nil {
		d.alarm.Stop()
	}
	d.finish()
	return d.status
}

// event runs f and the timers that are due.
func (d *daemon) event(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.checkJump()
	f()
	for !d.quit {
		t := d.sched.Due(d.p.Clock.Monotonic())
		if t == nil {
			break
		}
		t.F()
	}
}

// finish leaves the clock and the files as the next chronyd wants them.
func (d *daemon) finish() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dump()
	for _, s := range d.sources {
		s.close(d)
	}
	if !d.opts.noControl {
		// What is left of a slew is not corrected any more; the frequency stays.
		d.servo.Settle(d.p.Now())
		d.servo.Kernel.SetRate(d.servo.Frequency)
	}
	if !d.once() {
		d.driftStale = true
		d.saveDrift()
	}
	d.cleanUp()
	d.log.info("chronyd exiting")
	if d.rtc != nil && d.rtc.track.Valid {
		d.writeRTC(d.rtc.track.Estimate)
	}
}

// exit ends run.
func (d *daemon) exit(status int) { d.quit, d.status = true, status }

// arm sets the alarm for the earliest timer.
func (d *daemon) arm() {
	t := d.sched.Next()
	if d.alarm != nil {
		if t != nil && t.At == d.alarmAt {
			return
		}
		d.alarm.Stop()
		d.alarm = nil
	}
	if t == nil {
		return
	}
	d.alarmAt = t.At
	d.alarm = d.p.Clock.AfterFunc(t.At-d.p.Clock.Monotonic(), func() {
		d.queue.TryPut(func() { d.alarm = nil })
	})
}

// post runs f on the daemon's thread.
func (d *daemon) post(f func()) { d.queue.TryPut(f) }

// after runs f on the daemon's thread after some seconds.
func (d *daemon) after(s float64, f func()) *polling.Timer {
	return d.sched.After(d.p.Clock.Monotonic(), measure.Seconds(s), f)
}

// cooked returns the present cooked time.
func (d *daemon) cooked() time.Time { return d.servo.Cook(d.p.Now()) }

// jumpThreshold is how far the clock may be moved by others before all
// measurements are dropped, seconds.
const jumpThreshold = 10

// jump returns by how much someone else moved the clock since the last event.
func (d *daemon) jump(raw time.Time, mono time.Duration) float64 {
	return raw.Sub(d.lastRaw).Seconds() - (mono - d.lastMono).Seconds()
}

// checkJump looks whether someone else set the clock since the last event.
func (d *daemon) checkJump() {
	raw, mono := d.p.Now(), d.p.Clock.Monotonic()
	jump := d.jump(raw, mono)
	d.lastRaw, d.lastMono = raw, mono
	if math.Abs(jump) <= jumpThreshold {
		// chronyd's timers are times of the clock: a jump that it takes for noise
		// moves them.
		if jump != 0 {
			d.sched.Advance(measure.Seconds(jump))
		}
		return
	}
	if jump > 0 {
		d.log.warn("Forward time jump detected!")
	} else {
		d.log.warn("Backward time jump detected!")
	}
	d.clockUnknown(jump)
}

// clockUnknown starts again with a clock of which nothing is known, but that it
// has been moved by jump seconds.
func (d *daemon) clockUnknown(jump float64) {
	d.servo.Jumped(d.p.Now())
	d.setRate(d.p.Now())
	d.ref.Slewed(d.cooked(), 0, -jump)
	d.ref.Forget()
	if d.rtc != nil {
		d.rtc.track.Forget()
	}
	d.syncStatus()
	d.logUnsynchronised()
	for _, s := range d.sources {
		s.forget()
		if a := s.assoc; a != nil && a.ResetPoll() && s.timer != nil {
			d.setTimer(s, a.Delay(d.ourStratum(), 0))
		}
	}
	d.choose(nil)
}

// setRate starts the slew that the servo asks for and sets its timer.
func (d *daemon) setRate(now time.Time) { d.slewUntil(d.servo.Apply(now)) }

func (d *daemon) slewUntil(wait time.Duration) {
	d.sched.Stop(d.slewTimer)
	d.slewTimer = d.sched.After(d.p.Clock.Monotonic(), wait, func() { d.setRate(d.p.Now()) })
}

// adjust changes the clock and tells everyone who keeps times.
func (d *daemon) adjust(dfreq, doffset, rate float64) {
	raw := d.p.Now()
	cooked := d.servo.Cook(raw)
	dfreq, wait := d.servo.Adjust(raw, dfreq, doffset, rate)
	d.slewUntil(wait)
	d.slewed(cooked, dfreq, doffset)
}

// step takes s seconds off the clock.
func (d *daemon) step(s float64) {
	raw := d.p.Now()
	cooked := d.servo.Cook(raw)
	d.slewUntil(d.servo.Step(raw, s))
	if !d.opts.noControl {
		d.lastRaw = measure.AddSeconds(d.lastRaw, -s)
	}
	d.slewed(cooked, 0, s)
	d.smooth.Reset(d.cooked())
	d.clients.Slewed(cooked, 0, s)
}

func (d *daemon) slewed(when time.Time, dfreq, doffset float64) {
	for _, s := range d.sources {
		s.slewed(when, dfreq, doffset)
	}
	d.ref.Slewed(when, dfreq, doffset)
	if !d.smooth.LeapOnly {
		d.smooth.Slewed(when, dfreq, doffset)
	}
	d.manual.slewed(when, dfreq, doffset)
	if d.rtc != nil {
		d.rtc.track.Slewed(when, dfreq, doffset)
	}
}

// choose selects a source; updated has a new sample.
func (d *daemon) choose(updated *measure.Candidate) {
	now := d.cooked()
	c := d.sel.Choose(d.candidates, updated, now)
	if c.Lost != "" {
		d.log.info("Can't synchronise: " + c.Lost)
		d.p.Emit(trace.SourceSelected, trace.Attrs{"source": "", "stratum": ""})
	}
	if c.Unsync {
		d.ref.Unsynchronise()
		d.syncStatus()
		d.logUnsynchronised()
	}
	if c.Switched != nil && d.initSlew == nil && !d.once() {
		s := d.sourceOf(c.Switched)
		d.log.info("Selected source " + s.label())
		d.p.Emit(trace.SourceSelected, trace.Attrs{"source": s.addrText(), "stratum": fmt.Sprint(c.Switched.Stratum)})
	}
	for _, s := range d.sources {
		if s.cand.Status == measure.StatusFalseticker {
			d.replace(s)
		}
	}
	if updated != nil {
		d.files.selection(d, d.sourceOf(updated), now)
	}
	if c.Update != nil {
		d.use(c.Update)
	}
}

// use steers the clock by an update.
func (d *daemon) use(u *measure.Update) {
	if d.initSlew != nil {
		d.correctInitial(u)
		return
	}
	raw := d.p.Now()
	uncorrected := d.servo.Correction(raw)
	now := measure.AddSeconds(raw, uncorrected)
	s := d.sourceOf(u.Source)
	if d.once() {
		d.setOnce(u, now)
		return
	}
	before := d.ref.Distance(now)
	id, ip := s.refID(), s.ip()
	c := d.ref.Take(u, id, ip, now, uncorrected)
	if d.refused(c) {
		return
	}
	d.updates++
	d.adjust(c.DFreq, c.Slew, c.Rate)
	d.logChange(c.Offset)
	if c.Step != 0 {
		// Whoever sees the clock set finds the event.
		d.p.Emit(trace.ClockStepped, trace.Attrs{"by": formatSeconds(-c.Step), "reason": "makestep"})
		d.step(c.Step)
		d.log.warn(fmt.Sprintf("System clock was stepped by %.6f seconds", -c.Step))
	} else if math.Abs(c.Offset) >= 1e-3 {
		// Corrections of microseconds are the daily bread and not worth an event.
		d.p.Emit(trace.ClockSlewed, trace.Attrs{"by": formatSeconds(-c.Offset), "reason": "measurement"})
	}
	d.updateLeap()
	if d.smooth.Ready(d.ref.Skew) {
		d.activateSmoothing(d.cooked())
	}
	d.followDrift(now)
	d.syncStatus()
	d.files.tracking(d, u, c, now, uncorrected, before)
	d.driftUpdate(now)
}

// syncStatus tells the kernel whether the clock is right, so that it keeps the
// hardware clock right too (rtcsync).
func (d *daemon) syncStatus() {
	if !d.conf.RTCSync || d.opts.noControl {
		return
	}
	d.p.Clock.SetSynchronised(d.ref.Synchronised)
	if rtc := d.p.Host.RTC; rtc != nil && d.ref.Synchronised {
		rtc.Set(d.p.Now())
	}
}

func formatSeconds(s float64) string { return fmt.Sprintf("%.9f", s) }

// onceStep is the offset over which -q steps the clock.
const onceStep = 0.1

// setOnce is use for the modes -q and -Q.
func (d *daemon) setOnce(u *measure.Update, now time.Time) {
	offset := u.Offset + now.Sub(u.At).Seconds()*u.Frequency
	what := "slew"
	switch {
	case d.opts.mode == modePrintOnce:
		what = "ignored"
	case math.Abs(offset) > onceStep:
		what = "step"
	}
	d.log.warn(fmt.Sprintf("System clock wrong by %.6f seconds (%s)", -offset, what))
	switch what {
	case "step":
		d.step(offset)
		d.p.Emit(trace.ClockStepped, trace.Attrs{"by": formatSeconds(-offset), "reason": "chronyd -q"})
		d.exit(0)
	case "slew":
		d.adjust(0, offset, 0)
		d.p.Emit(trace.ClockSlewed, trace.Attrs{"by": formatSeconds(-offset), "reason": "chronyd -q"})
		d.after(math.Abs(offset)/d.servo.MaxSlew+discipline.MinSlewTime, func() { d.exit(0) })
	default:
		d.exit(0)
	}
	for _, s := range d.sources {
		s.close(d)
	}
}

// mayEnd ends the modes -q and -Q when no source can have enough samples any more.
func (d *daemon) mayEnd() {
	if !d.once() {
		return
	}
	const last = 7 // polls of an iburst
	for _, s := range d.sources {
		c := s.cand
		if s.active() && c.Polls < last && last-c.Polls+c.Stats.Samples() >= measure.MinSamples {
			return
		}
	}
	d.log.warn("No suitable source for synchronisation")
	d.exit(1)
}

// ourStratum is the stratum that we would serve.
func (d *daemon) ourStratum() int {
	p := d.ref.Params(d.cooked())
	if p.Stratum == 0 {
		return ntp.MaxStratum
	}
	return p.Stratum
}

func (d *daemon) sourceOf(c *measure.Candidate) *source {
	for _, s := range d.sources {
		if s.cand == c {
			return s
		}
	}
	return nil
}

func (d *daemon) setAccess() error {
	for _, t := range []struct {
		table *clients.Access
		rules []conf.AccessRule
	}{{&d.access, d.conf.Allow}, {&d.cmd, d.conf.CmdAllow}} {
		for _, r := range t.rules {
			if !t.table.Add(r) {
				return conf.Errorf("Bad subnet in %s/%d", r.Addr, r.Bits)
			}
		}
	}
	return nil
}
