// Package clocks has the kinds of checks about time: clocks, what chronyd follows and serves, and the time zone.
package clocks
