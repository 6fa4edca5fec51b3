// Package conf is what the configuration of firewalld can say: zones, services,
// ipsets, rich and direct rules, the settings of firewalld.conf, their files and
// the errors about them. Values in, values out: nothing here asks the world.
package conf
