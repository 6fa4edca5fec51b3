// Package system has the kinds of checks about the state of a host: services,
// ports, firewall, files, and what a command of the author of the lab says.
package system
