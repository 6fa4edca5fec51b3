package lab

import (
	"errors"
	"io/fs"
	"regexp"
	"time"

	"enshu/sim/clock"
	"enshu/sim/scenario"
)

// refclockDevices are what a host with a reference clock has in /dev: the
// receiver, its pulse, and the clock of a network card.
var refclockDevices = []string{"gps0", "pps0", "ptp0"}

// addRefclock plugs the host's reference clock in.
func (h *Host) addRefclock(r *scenario.Refclock) {
	h.config.Devices = refclockDevices
	h.model.Refclocks = map[string]*clock.Local{}
	for _, d := range refclockDevices {
		h.model.Refclocks["/dev/"+d] = clock.NewLocal(h.lab.Timeline, time.Duration(r.Offset), float64(r.Drift))
	}
}

// poolLine is where the distribution's chrony.conf names its sources.
var poolLine = regexp.MustCompile(`(?m)^pool .*$`)

// chronyConf is the distribution's /etc/chrony.conf with the host's reference
// clock for a source.
func (h *Host) chronyConf() ([]byte, error) {
	p, ok := h.lab.Distro.Find("chrony")
	if !ok {
		return nil, errors.New("a reference clock needs the package chrony")
	}
	tree, err := p.Tree()
	if err != nil {
		return nil, err
	}
	conf, err := fs.ReadFile(tree, "etc/chrony.conf")
	if err != nil {
		return nil, err
	}
	refid := h.scenario.Refclock.RefID
	if refid == "" {
		refid = "GPS"
	}
	return poolLine.ReplaceAll(conf, []byte("refclock SHM 0 refid "+refid)), nil
}
