package chronyd

import (
	"fmt"
	"math"
	"strings"
	"time"

	"enshu/sim/chrony/discipline"
	"enshu/sim/chrony/measure"
	"enshu/sim/chrony/polling"
	"enshu/sim/libc"
	"enshu/sim/wire/candm"
	"enshu/sim/wire/ntp"
)

// logFiles are the files of the directive log, in the directory of logdir.
type logFiles struct {
	dir    string
	banner int
	files  map[string]*logFile
}

type logFile struct {
	name   string // of the file, in dir
	header string
	lines  int
}

const (
	measurementsHeader = "   Date (UTC) Time     IP Address   L St 123 567 ABCD  LP RP Score    Offset  Peer del. Peer disp.  Root del. Root disp. Refid     MTxRx"
	statisticsHeader   = "   Date (UTC) Time     IP Address    Std dev'n Est offset  Offset sd  Diff freq   Est skew  Stress  Ns  Bs  Nr  Asym"
	trackingHeader     = "   Date (UTC) Time     IP Address   St   Freq ppm   Skew ppm     Offset L Co  Offset sd Rem. corr. Root delay Root disp. Max. error"
	selectionHeader    = "   Date (UTC) Time     IP Address   S EOpts Reach Score Last sample  Low end   High end"
	tempcompHeader     = "   Date (UTC) Time        Temp.       Comp."
	rtcHeader          = "   Date (UTC) Time   RTC fast (s) Val   Est fast (s)   Slope (ppm)  Ns  Nr Meas"
	refclocksHeader    = "   Date (UTC) Time         Refid  DP L P  Raw offset   Cooked offset      Disp."
)

// open prepares the files that the configuration asks for.
func (l *logFiles) open(d *daemon) {
	c := d.conf
	l.files = map[string]*logFile{}
	l.dir, l.banner = c.LogDir, c.LogBanner
	for _, f := range []struct {
		word, file, header string
	}{
		{"rawmeasurements", "measurements", measurementsHeader},
		{"measurements", "measurements", measurementsHeader},
		{"statistics", "statistics", statisticsHeader},
		{"tracking", "tracking", trackingHeader},
		{"selection", "selection", selectionHeader},
		{"refclocks", "refclocks", refclocksHeader},
		{"tempcomp", "tempcomp", tempcompHeader},
		{"rtc", "rtc", rtcHeader},
	} {
		if c.Logs[f.word] && !d.once() {
			l.files[f.file] = &logFile{name: f.file + ".log", header: f.header}
		}
	}
	if l.dir != "" && !libc.Exists(d.p, l.dir) && len(l.files) > 0 {
		if err := d.makeDir(l.dir, 0o755, d.user); err != nil {
			d.log.error(fmt.Sprintf("Could not create directory %s : %s", l.dir, libc.Strerror(err)))
		}
	}
}

func (l *logFiles) write(d *daemon, file, line string) {
	f := l.files[file]
	if f == nil {
		return
	}
	if l.dir == "" {
		delete(l.files, file)
		d.log.warn("logdir not specified")
		return
	}
	if l.banner > 0 && f.lines%l.banner == 0 {
		rule := strings.Repeat("=", len(f.header))
		line = rule + "\n" + f.header + "\n" + rule + "\n" + line
	}
	f.lines++
	name := l.dir + "/" + f.name
	if err := libc.AppendFile(d.p, name, []byte(line+"\n"), 0o644); err != nil {
		delete(l.files, file)
		d.log.warn(fmt.Sprintf("Could not open %s : %s", name, libc.Strerror(err)))
	}
}

// cycle starts the banners anew, as after the files were renamed.
func (l *logFiles) cycle() {
	for _, f := range l.files {
		f.lines = 0
	}
}

func logTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

func leapLetter(l ntp.Leap) byte { return "N+-?"[l&3] }

// measurement logs a valid answer; without rawmeasurements only good ones.
func (l *logFiles) measurement(d *daemon, s *source, r polling.Answer) {
	if l.files["measurements"] == nil {
		return
	}
	if !d.conf.Logs["rawmeasurements"] && !r.Synced {
		return
	}
	a := s.assoc
	rep := &a.Report
	at := rep.Sample.At
	if !r.Synced {
		at = a.LocalRx
	}
	t := fmt.Sprintf("%010b", rep.Tests&candm.TestsMask)
	mode := "B"
	if rep.Xleave {
		mode = "I"
	}
	l.write(d, "measurements", fmt.Sprintf("%s %-15s %c %2d %s %s %s  %2d %2d %4.2f %10.3e %10.3e %10.3e %10.3e %10.3e %08X %d%s %c %c",
		logTime(at), s.addrText(), leapLetter(rep.Packet.Leap), rep.Packet.Stratum, t[:3], t[3:6], t[6:],
		a.Poll, rep.Packet.Poll, a.PollScore, rep.Sample.Offset, rep.Sample.PeerDelay, rep.Sample.PeerDispersion,
		rep.Packet.RootDelay.Seconds(), rep.Packet.RootDispersion.Seconds(), rep.Packet.RefID, rep.Packet.Mode, mode, 'K', 'K'))
}

// statistics logs a new regression.
func (l *logFiles) statistics(d *daemon, s *source) {
	if l.files["statistics"] == nil {
		return
	}
	st := s.cand.Stats
	if !st.Regressed {
		return
	}
	l.write(d, "statistics", fmt.Sprintf("%s %-15s %10.3e %10.3e %10.3e %10.3e %10.3e %7.1e %3d %3d %3d %5.2f",
		logTime(st.OffsetAt), s.addrText(), st.Deviation, st.Offset, st.OffsetSD, st.Frequency, st.Skew, st.Stress,
		st.Samples()+st.Dropped, st.Dropped, st.Runs, st.Asymmetry))
}

// selection logs what the selection thinks of a source that was updated.
func (l *logFiles) selection(d *daemon, s *source, now time.Time) {
	if l.files["selection"] == nil || s == nil {
		return
	}
	v := s.cand.Stats.SelectionAt(now, d.sel.MaxJitter, s.cand.Selection)
	l.write(d, "selection", fmt.Sprintf("%s %-15s %c %s %4o %5.2f %10.3e %10.3e %10.3e",
		logTime(now), s.addrText(), s.cand.Status, candm.OptionLetters(s.cand.Options), s.cand.Reach,
		s.cand.Score, v.LastAgo, v.Low, v.High))
}

// tracking logs an update of the reference.
func (l *logFiles) tracking(d *daemon, u *measure.Update, c discipline.Correction, now time.Time, uncorrected, before float64) {
	if l.files["tracking"] == nil {
		return
	}
	s := d.sourceOf(u.Source)
	l.write(d, "tracking", trackingLine(now, s.addrText(), d.ref.Stratum, d.servo.Frequency, d.ref.Skew, c.Offset, d.ref.Leap,
		u.Combined, u.OffsetSD, uncorrected, d.ref.RootDelay, d.ref.Dispersion(now), before))
}

// logUnsynchronised logs the loss of the reference.
func (d *daemon) logUnsynchronised() {
	now := d.cooked()
	uncorrected := d.servo.Correction(d.p.Now())
	d.files.write(d, "tracking", trackingLine(now, "0.0.0.0", 0, d.servo.Frequency, d.ref.Skew, 0, ntp.LeapUnsynchronised,
		0, 0, uncorrected, 1, 1, 1.5))
}

func trackingLine(now time.Time, from string, stratum int, ppm, skew, offset float64, leap ntp.Leap, combined int,
	sd, uncorrected, delay, disp, maxError float64) string {
	if math.Abs(uncorrected) == 0 {
		uncorrected = 0 // no minus sign
	}
	return fmt.Sprintf("%s %-15s %2d %10.3f %10.3f %10.3e %c %2d %10.3e %10.3e %10.3e %10.3e %10.3e",
		logTime(now), from, stratum, ppm, 1e6*skew, offset, leapLetter(leap), combined, sd, uncorrected, delay, disp, maxError)
}
