package chronyd

import (
	"fmt"
	"strings"

	"enshu/sim/libc"
)

func (s *source) dumpFile(dir string) string {
	if s.clock != nil {
		return fmt.Sprintf("%s/refid:%08x.dat", dir, s.clock.refID)
	}
	return dir + "/" + s.addrText() + ".dat"
}

// dump writes the dump files of all sources that have measurements.
func (d *daemon) dump() {
	if d.conf.DumpDir == "" || d.once() {
		return
	}
	for _, s := range d.sources {
		if s.assoc == nil && s.clock == nil || s.cand.Stats.Samples() == 0 {
			continue
		}
		if err := d.saved(s.dumpFile(d.conf.DumpDir), []byte(s.cand.Dump(s.addrText(), s.authentic()))); err != nil {
			d.log.warn(fmt.Sprintf("Could not open %s : %s", s.dumpFile(d.conf.DumpDir)+".tmp", libc.Strerror(err)))
		}
	}
}

// readDumps takes the measurements of an earlier chronyd over (option -r) and
// removes its files, which would be too old for the next one.
func (d *daemon) readDumps() {
	dir := d.conf.DumpDir
	if dir == "" || !d.opts.reload || d.initSlew != nil {
		return
	}
	loaded := false
	for _, s := range d.sources {
		if s.assoc == nil && s.clock == nil {
			continue
		}
		data, err := libc.ReadFile(d.p, s.dumpFile(dir))
		if err != nil {
			continue
		}
		if !s.cand.LoadDump(string(data), s.addrText(), d.cooked()) {
			d.log.warn("Could not load dump file for " + s.addrText())
			continue
		}
		d.log.info("Loaded dump file for " + s.addrText())
		loaded = true
	}
	names, _ := libc.ReadDir(d.p, dir)
	for _, n := range names {
		if strings.HasSuffix(n, ".dat") {
			d.p.Sys.Remove(dir + "/" + n)
		}
	}
	if loaded {
		d.choose(nil)
	}
}
