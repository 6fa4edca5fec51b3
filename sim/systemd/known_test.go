package systemd_test

// knownSystemctl are steps that differ on purpose, or cannot hold here, by case and
// number, with the reason. memnet has no /proc and no shell, time stands still
// while a command runs, and the daemons of the recording are stand-ins.
var knownSystemctl = map[string]map[int]string{
	"bad_unit_files": {
		15: "lines logged in one instant cannot be told apart",
		26: "lines logged in one instant cannot be told apart",
		27: "lines logged in one instant cannot be told apart",
		32: "lines logged in one instant cannot be told apart",
		33: "lines logged in one instant cannot be told apart",
	},
	"cat_show_misc": {
		8:  "order of a hash table, or a unit that is absent",
		17: "order of a hash table, or a unit that is absent",
	},
	"changed_on_disk": {
		34: "needs a shell with an editor on a terminal",
		36: "needs a shell with an editor on a terminal",
		37: "needs a shell with an editor on a terminal",
		38: "needs a shell with an editor on a terminal",
		39: "needs a shell with an editor on a terminal",
		40: "needs a shell with an editor on a terminal",
	},
	"enable_disable_mask": {
		22: "the recording host has other units, or the step depends on files changed in between",
		37: "the recording host has other units, or the step depends on files changed in between",
		42: "the recording host has other units, or the step depends on files changed in between",
		44: "the recording host has other units, or the step depends on files changed in between",
	},
	"lists": {
		10: "cut by head, where the recording host has more units",
		29: "how far columns are cut depends on units that this host lacks",
	},
	"non_root": {
		15: "no polkit agent",
	},
	"not_found_and_usage": {
		43: "the recording host has other units, or another version",
	},
	"rsyslog_restart_bad_config": {
		2:  "the stand-in daemon says less, and events of one instant cannot be told apart",
		4:  "the stand-in daemon says less, and events of one instant cannot be told apart",
		15: "the stand-in daemon says less, and events of one instant cannot be told apart",
	},
	"service_command": {
		13: "the recording host has other services, and events of one instant",
		18: "the recording host has other services, and events of one instant",
	},
	"start_stop_restart_reload": {
		28: "the stand-in daemon says less",
	},
	"status_active": {
		2:  "the stand-in daemons say less, or need /proc",
		3:  "the stand-in daemons say less, or need /proc",
		5:  "the stand-in daemons say less, or need /proc",
		6:  "the stand-in daemons say less, or need /proc",
		7:  "the stand-in daemons say less, or need /proc",
		10: "the stand-in daemons say less, or need /proc",
		11: "the stand-in daemons say less, or need /proc",
		13: "the stand-in daemons say less, or need /proc",
		14: "the stand-in daemons say less, or need /proc",
		16: "the stand-in daemons say less, or need /proc",
		18: "the stand-in daemons say less, or need /proc",
		21: "the stand-in daemons say less, or need /proc",
		22: "the stand-in daemons say less, or need /proc",
		23: "the stand-in daemons say less, or need /proc",
		24: "the stand-in daemons say less, or need /proc",
		25: "the stand-in daemons say less, or need /proc",
	},
	"status_failed_kinds": {
		111: "events of one instant cannot be told apart, or the number of units",
	},
}
