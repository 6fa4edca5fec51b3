package service

import (
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/mailaddr"
)

// NewRewriter returns what completes addresses as the configuration says.
func NewRewriter(c *conf.Config) mailaddr.Rewriter {
	return mailaddr.Rewriter{Origin: c.Get("myorigin"), Domain: c.Get("mydomain"), AppendOrigin: c.Bool("append_at_myorigin"),
		AppendDot: c.Bool("append_dot_mydomain"), BangPath: c.Bool("swap_bangpath"), Percent: c.Bool("allow_percent_hack")}
}
