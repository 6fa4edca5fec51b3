// Package labs is the catalogue: one folder an exam objective, one YAML file a
// lab. It is data; sim/scenario reads it.
package labs

import "embed"

// Files has the catalogue, "1.09.2/tcp-forwarding.yaml" and its like.
//
//go:embed */*.yaml
var Files embed.FS
