package conf

import (
	_ "embed"
	"strings"
	"sync"
)

// parameter is one line of params.txt: what postconf(5) says about a parameter.
type parameter struct {
	Name  string
	kind  byte // s text, S text that is not empty, n number, b yes or no, t time
	value string
}

//go:embed params.txt
var paramsText string

// Parameters returns the table of all parameters, in the order of their names.
var Parameters = sync.OnceValue(func() []parameter {
	var out []parameter
	for _, line := range strings.Split(strings.TrimSpace(paramsText), "\n") {
		kind, rest, _ := strings.Cut(line, " ")
		name, value, _ := strings.Cut(rest, " =")
		out = append(out, parameter{name, kind[0], strings.TrimSpace(value)})
	}
	return out
})

func parameterByName(name string) (parameter, bool) {
	for _, q := range Parameters() {
		if q.Name == name {
			return q, true
		}
	}
	return parameter{}, false
}

// Global are those that every Postfix program reads at its start
// (mail_params_init(3)), in that order.
var Global = []string{
	"myhostname", "mydomain", "mail_owner", "setgid_group", "queue_directory", "command_directory", "daemon_directory",
	"line_length_limit", "hash_queue_depth", "message_size_limit", "header_size_limit", "header_address_token_limit",
	"mime_nesting_limit", "default_process_limit", "body_checks_size_limit",
	"ipc_timeout", "max_idle", "max_use", "trigger_timeout", "delay_logging_resolution_limit",
	"enable_long_queue_ids", "append_at_myorigin", "disable_mime_input_processing", "strict_8bitmime",
}
