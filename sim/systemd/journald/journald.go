package journald

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"syscall"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/trace"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// Message IDs of journald's own lines.
const (
	msgJournalStart   = "f77379a8490b408bbe5f6940505a777b"
	msgJournalStop    = "d93fb3c9c24d451a97cea615ce59c00b"
	msgJournalUsage   = "ec387f577b844b8fa948f33cad9a75e6"
	msgJournalDropped = "a596d6fe7bfa4994828e72309e95d61e"
)

// kernelSeqFile remembers which kernel messages are in the journal.
const kernelSeqFile = "/run/systemd/journal/kernel-seqnum"

// queued is how many messages wait before their senders do. A datagram is of
// 200 KiB at most (net.core.wmem_max), so this bounds what a flood takes.
const queued = 256

// message is something that came in, with what the kernel says of its sender.
type message struct {
	fields []journal.Field
	cred   host.SenderCred
	unit   string // told by PID 1 for the stream it opened for a unit
	raw    []byte // of a datagram of /dev/log, to forward as it is
	at     time.Time
}

// daemon is the state of a running systemd-journald. Its loop owns it;
// threads that read sockets only put work into the queue.
type daemon struct {
	p     *host.Proc
	ctx   context.Context
	queue *clock.Queue[func()]
	conf  config

	store   *store // nil with Storage=none, or when there is no room
	boot    journal.ID
	machine string
	limits  rateLimits
	known   map[int]*sender
	forward net.Conn

	subscribers []*clock.Queue[struct{}]
	entries     []*journal.Entry // not written yet
	uids        []int
	last        time.Time // of the newest entry
	streams     int
	hereFields  []journal.Field
	hereUntil   time.Duration // monotonic
	roomFree    int64         // bytes
	roomUntil   time.Duration // monotonic
}

// Daemon is /usr/lib/systemd/systemd-journald. It takes messages from
// /dev/log, the native socket, the outputs of services and the kernel, and
// keeps them in files that sim/sdjournal reads. SIGUSR1 moves the volatile
// journal to the disk, SIGUSR2 rotates.
func Daemon(ctx context.Context, p *host.Proc) int {
	j := &daemon{
		p: p, ctx: ctx, queue: clock.NewQueue[func()](p.Clock.Timeline(), queued),
		boot: machine.BootID(p), machine: machine.ID(p), known: map[int]*sender{}, limits: rateLimits{},
	}
	var problems []unitfile.Problem
	j.conf, problems = readConfig(p)
	for _, dir := range []string{sdjournal.RunDir} {
		if err := libc.MkdirAll(p, dir, 0o755); err != nil {
			return j.die(dir, err)
		}
	}
	if err := j.openStorage(); err != nil {
		return j.die("journal", err)
	}
	j.say(syslog.Info, msgJournalStart, "Journal started")
	for _, bad := range problems {
		j.complain(bad.String())
	}
	j.sayUsage()
	if j.store != nil {
		j.tidy()
		if !libc.Exists(p, sdjournal.FlushedFile) {
			j.flush() // what systemd-journal-flush.service asks for at boot
		}
	}
	closers, err := j.listen()
	for _, c := range closers {
		defer c()
	}
	if err != nil {
		return j.die(sdjournal.RunDir, err)
	}
	p.Catch(syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGHUP)
	p.Go(j.signals)
	if j.conf.readKmsg {
		p.Go(j.kernel)
	}
	j.write()
	p.Ready()
	machine.Notify(ctx, p, "READY=1\nSTATUS=Processing requests...")
	j.run()
	j.say(syslog.Info, msgJournalStop, "Journal stopped")
	j.write()
	if j.store != nil {
		j.store.close()
	}
	return 0
}

func (j *daemon) die(what string, err error) int {
	text := "Failed to open " + what + ": " + libc.Strerror(err)
	j.p.Stderr.Write([]byte(text + "\n"))
	j.p.Host.Kmsg.Append(int(syslog.Make(syslog.Daemon, syslog.Err)), "systemd-journald["+strconv.Itoa(j.p.PID)+"]: "+text)
	return 1
}

// run does the queued work; entries are written when none is left, or many wait.
func (j *daemon) run() {
	for {
		f, err := j.queue.Get(j.ctx)
		if err != nil {
			return
		}
		f()
		if j.queue.Len() == 0 || len(j.entries) >= 256 {
			j.write()
		}
	}
}

// put queues work; who floods the journal waits.
func (j *daemon) put(f func()) bool { return j.queue.Put(j.ctx, f) == nil }

// openStorage opens the journal where it belongs. /var is there from the start
// on a host, so at boot nothing waits for it, and what is in /run moves over.
// Once there was a flush (systemd-journal-flush.service), what is in /run stays
// there until the next one.
func (j *daemon) openStorage() error {
	disk := false
	switch j.conf.storage {
	case "none":
		return nil
	case "persistent":
		disk = true
	case "auto":
		disk = libc.Exists(j.p, sdjournal.PersistentDir)
	}
	flushed := libc.Exists(j.p, sdjournal.FlushedFile)
	if !flushed {
		share(j.p)
	}
	if disk && (flushed || !libc.Exists(j.p, path.Join(sdjournal.VolatileDir, j.machine, "system.journal"))) {
		if s, err := openStore(j.p, j.conf, true); err == nil {
			j.open(s)
			return nil
		}
	}
	s, err := openStore(j.p, j.conf, false)
	if err != nil {
		return err
	}
	j.open(s)
	if disk {
		j.flush()
	}
	return nil
}

func (j *daemon) open(s *store) {
	j.store = s
	if last := s.system.Last(); last != nil {
		j.last = last.Realtime
	}
}

// flush moves the volatile journal to the disk.
func (j *daemon) flush() {
	if j.store == nil || j.store.permanent || j.conf.storage == "volatile" ||
		j.conf.storage == "auto" && !libc.Exists(j.p, sdjournal.PersistentDir) {
		libc.WriteFile(j.p, sdjournal.FlushedFile, nil, 0o644)
		if j.store != nil && !j.store.permanent {
			j.sayUsage()
		}
		return
	}
	j.write()
	from := j.p.Clock.Monotonic()
	disk, err := openStore(j.p, j.conf, true)
	if err != nil {
		j.say(syslog.Err, "", "Failed to open system journal: "+libc.Strerror(err))
		return
	}
	n := 0
	var batch []*journal.Entry
	var uids []int
	if r, err := sdjournal.Open(j.p, sdjournal.Options{Dirs: []string{j.store.dir}}); err == nil {
		for {
			e, err := r.Next()
			if err == nil {
				uid := 0
				if j.conf.splitUID {
					uid = splitUID(e.Get("_UID"))
				}
				batch, uids = append(batch, e), append(uids, uid)
				n++
			}
			if len(batch) >= 256 || err != nil && len(batch) > 0 {
				if werr := disk.append(batch, uids); werr != nil {
					j.say(syslog.Err, "", "Failed to flush to system journal: "+libc.Strerror(werr))
					r.Close()
					disk.close()
					return
				}
				batch, uids = batch[:0], uids[:0]
			}
			if err != nil {
				break
			}
		}
		r.Close()
	}
	volatile := j.store
	volatile.close()
	libc.RemoveAll(j.p, volatile.dir)
	j.store = disk
	libc.WriteFile(j.p, sdjournal.FlushedFile, nil, 0o644)
	took := j.p.Clock.Monotonic() - from
	j.say(syslog.Info, "", "Time spent on flushing to "+disk.dir+" is "+calendar.FormatSpan(took, time.Microsecond)+" for "+strconv.Itoa(n)+" entries.")
	j.sayUsage()
}

// rotate archives the journal files and removes the oldest beyond the limits.
func (j *daemon) rotate() {
	j.write()
	if j.store == nil {
		return
	}
	if err := j.store.rotate(); err != nil {
		j.complain("Failed to rotate journal: " + libc.Strerror(err))
	}
	j.tidy()
}

func (j *daemon) tidy() {
	var before time.Time
	if j.conf.maxRetention > 0 && j.conf.maxRetention != calendar.Forever {
		before = j.p.Now().Add(-j.conf.maxRetention)
	}
	sdjournal.Vacuum(j.p, j.store.dir, j.store.room().limit, j.store.limits.files, before)
}

// sayUsage logs how much room the journal takes.
func (j *daemon) sayUsage() {
	if j.store == nil {
		return
	}
	what := "Runtime Journal"
	if j.store.permanent {
		what = "System Journal"
	}
	r := j.store.room()
	fields := []journal.Field{{Name: "JOURNAL_NAME", Value: what}, {Name: "JOURNAL_PATH", Value: j.store.dir}}
	for _, v := range []struct {
		name string
		n    int64
	}{{"CURRENT_USE", r.used}, {"MAX_USE", r.max}, {"DISK_KEEP_FREE", r.keepFree}, {"DISK_AVAILABLE", r.available}, {"LIMIT", r.limit}, {"AVAILABLE", r.free()}} {
		fields = append(fields, journal.Field{Name: v.name, Value: strconv.FormatInt(v.n, 10)}, journal.Field{Name: v.name + "_PRETTY", Value: unitfile.FormatSize(v.n)})
	}
	j.say(syslog.Info, msgJournalUsage, fmt.Sprintf("%s (%s) is %s, max %s, %s free.", what, j.store.dir,
		unitfile.FormatSize(r.used), unitfile.FormatSize(r.limit), unitfile.FormatSize(r.free())), fields...)
}

// say adds a line of journald itself.
func (j *daemon) say(sev syslog.Severity, id, text string, extra ...journal.Field) {
	fields := []journal.Field{
		{Name: "_TRANSPORT", Value: "driver"}, {Name: "PRIORITY", Value: strconv.Itoa(int(sev))}, {Name: "SYSLOG_FACILITY", Value: "3"},
		{Name: "SYSLOG_IDENTIFIER", Value: "systemd-journald"}, {Name: "MESSAGE", Value: text},
	}
	if id != "" {
		fields = append(fields, journal.Field{Name: "MESSAGE_ID", Value: id})
	}
	j.add(&message{fields: append(fields, extra...), at: j.p.Now(),
		cred: host.SenderCred{PID: j.p.PID, UID: j.p.UID, GID: j.p.GID}, unit: "systemd-journald.service"})
}

// complain says in the kernel's log what is wrong with the journal.
func (j *daemon) complain(text string) {
	if j.ctx.Err() != nil {
		return // it is over; what fails now fails because of that
	}
	j.p.Host.Kmsg.Append(int(syslog.Make(syslog.Syslog, syslog.Warning)), "systemd-journald["+strconv.Itoa(j.p.PID)+"]: "+text)
}

// take is the way of every message from outside: rate limit, forwarding, file.
func (j *daemon) take(m *message) {
	s := j.sender(m)
	severity := severityOf(m.fields)
	if key := s.limitedAs(m); key != "" && j.conf.rateInterval > 0 && j.conf.rateBurst > 0 {
		ok, nth, lost := j.limits.test(key, severity, j.p.Clock.Monotonic(), j.conf.rateInterval, burstFor(j.conf.rateBurst, j.available()))
		if lost > 0 {
			j.say(syslog.Info, msgJournalDropped, "Suppressed "+strconv.Itoa(lost)+" messages from "+key,
				append([]journal.Field{{Name: "N_DROPPED", Value: strconv.Itoa(lost)}}, object(m, s)...)...)
		}
		if !ok {
			if nth <= toldDrops {
				j.p.Emit(trace.MessageDropped, trace.Attrs{"text": textOf(m.fields), "tag": key,
					"reason": fmt.Sprintf("rate limit of %s, %d in %s", key, j.conf.rateBurst, calendar.FormatSpan(j.conf.rateInterval, time.Microsecond))})
			}
			return
		}
	}
	j.pass(m, severity)
	if severity > j.conf.maxStore {
		return
	}
	j.add(m)
}

// toldDrops is how many of the messages of one sender that are over the limit in
// one interval the trace is told of one by one: a flood does not fill it.
const toldDrops = 1000

// available is how much room the journal has left, looked up once a second.
func (j *daemon) available() int64 {
	now := j.p.Clock.Monotonic()
	if j.store != nil && (now >= j.roomUntil || j.roomFree == 0) {
		j.roomUntil, j.roomFree = now+senderLife, j.store.room().free()
	}
	return j.roomFree
}

// add makes an entry of a message.
func (j *daemon) add(m *message) {
	if j.conf.storage == "none" {
		return
	}
	now := j.p.Now().Truncate(time.Microsecond)
	if now.Before(j.last) {
		// A file's times never fall: the clock was set back, so a new file begins.
		j.last = now
		j.complain("Time jumped backwards, rotating.")
		j.rotate()
	}
	j.last = now
	fields := append(m.fields, j.trusted(m)...)
	e := &journal.Entry{Realtime: now, Monotonic: j.p.Host.Kmsg.Uptime().Truncate(time.Microsecond), BootID: j.boot, Fields: fields}
	uid := 0
	if j.conf.splitUID {
		uid = splitUID(strconv.Itoa(m.cred.UID))
	}
	j.entries, j.uids = append(j.entries, e), append(j.uids, uid)
}

// splitUID is whose file a message goes to: that of ordinary users their own.
func splitUID(s string) int {
	if n, err := strconv.Atoi(s); err == nil && n >= 1000 && n < 65534 {
		return n
	}
	return 0
}

// write puts the waiting entries into the files and wakes who follows them.
func (j *daemon) write() {
	if len(j.entries) == 0 {
		return
	}
	if j.store != nil {
		err := j.store.append(j.entries, j.uids)
		if err != nil {
			// No room: make some, once.
			if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
				sdjournal.Vacuum(j.p, j.store.dir, 1, 0, time.Time{})
			}
			if err = j.store.append(j.entries, j.uids); err != nil {
				j.complain("Failed to write entry (" + strconv.Itoa(len(j.entries)) + " items), ignoring: " + libc.Strerror(err))
			}
		}
	}
	j.entries, j.uids = nil, nil
	if j.store != nil && j.store.full(j.last) {
		if err := j.store.rotate(); err != nil {
			j.complain("Failed to rotate journal: " + libc.Strerror(err))
		}
		j.tidy()
	}
	for _, q := range j.subscribers {
		q.TryPut(struct{}{})
	}
}

func (j *daemon) signals() {
	for {
		sig, err := j.p.WaitSignal(j.ctx)
		if err != nil {
			return
		}
		j.put(func() {
			switch sig {
			case syscall.SIGUSR1:
				j.say(syslog.Info, "", "Received client request to flush runtime journal.")
				j.flush()
			case syscall.SIGUSR2:
				j.say(syslog.Info, "", "Received client request to rotate journal, rotating.")
				j.rotate()
			}
		})
	}
}

// subscribe tells a reader whenever entries were appended.
func (j *daemon) subscribe(conn net.Conn) {
	q := clock.NewQueue[struct{}](j.p.Clock.Timeline(), 1)
	if !j.put(func() { j.subscribers = append(j.subscribers, q) }) {
		return
	}
	defer j.put(func() {
		j.subscribers = slices.DeleteFunc(j.subscribers, func(x *clock.Queue[struct{}]) bool { return x == q })
	})
	for {
		if _, err := conn.Write([]byte{'\n'}); err != nil {
			return
		}
		if _, err := q.Get(j.ctx); err != nil {
			return
		}
	}
}

// control answers journalctl's --rotate, --flush, --sync and --relinquish-var:
// one word a line, answered by "ok" when it is done.
func (j *daemon) control(conn net.Conn) {
	in := bufio.NewScanner(conn)
	for in.Scan() {
		done := clock.NewQueue[struct{}](j.p.Clock.Timeline(), 1)
		word := in.Text()
		j.put(func() {
			j.write()
			switch word {
			case "rotate":
				j.rotate()
			case "flush":
				j.flush()
			case "relinquish":
				j.relinquish()
			}
			j.write()
			done.TryPut(struct{}{})
		})
		if _, err := done.Get(j.ctx); err != nil {
			return
		}
		if _, err := conn.Write([]byte("ok\n")); err != nil {
			return
		}
	}
}

// relinquish goes back to the volatile journal, so that /var can be unmounted.
func (j *daemon) relinquish() {
	if j.store == nil || !j.store.permanent {
		return
	}
	s, err := openStore(j.p, j.conf, false)
	if err != nil {
		return
	}
	j.store.close()
	j.store = s
	j.p.Sys.Remove(sdjournal.FlushedFile)
}

// textOf reads MESSAGE=.
func textOf(fields []journal.Field) string {
	for _, f := range fields {
		if f.Name == "MESSAGE" {
			return f.Value
		}
	}
	return ""
}

// severityOf reads PRIORITY=.
func severityOf(fields []journal.Field) syslog.Severity {
	for _, f := range fields {
		if f.Name == "PRIORITY" && len(f.Value) == 1 && f.Value[0] >= '0' && f.Value[0] <= '7' {
			return syslog.Severity(f.Value[0] - '0')
		}
	}
	return syslog.Info
}
