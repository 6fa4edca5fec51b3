package rsyslog

import "enshu/sim/host"

// haveJournald says whether the cases that need journald can run.
const haveJournald = false

// addJournald adds journald to the programs of the syslog host.
func (r *oracleRun) addJournald(programs map[string]host.Program) {}
