package systemd_test

// knownSystemctl are steps that differ on purpose, or cannot hold here, by case and
// number, with the reason. memnet has no /proc and no shell, time stands still
// while a command runs, and the daemons of the recording are stand-ins.
var knownSystemctl = map[string]map[int]string{
	"bad_unit_files": {
		14: "the recording was taken before the last line, which its next step has, came into the journal",
	},
	"cat_show_misc": {
		17: "order of a hash table, or a unit that is absent",
	},
	"lists": {
		29: "how far columns are cut depends on units that this host lacks",
	},
	"non_root": {
		15: "no polkit agent",
	},
	"not_found_and_usage": {
		43: "the recording host has other units, or another version",
	},
	"rsyslog_restart_bad_config": {
		2:  "the stand-in daemon says something else",
		15: "the stand-in daemon says something else",
	},
	"service_command": {
		13: "the recording host has other services, and events of one instant",
	},
	"status_active": {
		11: "the recording host has other units, and its journal was rotated",
		13: "the recording host has other units, and its journal was rotated",
		14: "the recording host has other units, and its journal was rotated",
		16: "the recording host has other units, and its journal was rotated",
	},
}
