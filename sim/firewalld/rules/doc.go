// Package rules compiles a runtime configuration of firewalld to the rules of a
// packet filter: a [State] becomes a ruleset of package nft.
package rules
