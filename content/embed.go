// Package content is what learners read beside the labs: the map of the exam
// objectives, a lesson for each, and short help on commands and files, in
// Japanese and English. It is data.
package content

import "embed"

// Files has the files as they are: objectives.yaml, lessons/OBJECTIVE.LANG.md and
// help/NAME.LANG.md.
//
//go:embed objectives.yaml lessons/*.md help/*.md
var Files embed.FS
