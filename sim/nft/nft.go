// Package nft is a model of an nftables ruleset: what sim/firewalld makes of
// its zones and what the kernel of a host enforces. It holds values only.
package nft

// Ruleset is everything in force on a host.
type Ruleset struct{}
