package page

import (
	"fmt"
	"slices"
	"strings"

	"enshu/content"
	"enshu/sim/lang"
	"enshu/sim/scenario"
)

// Lab is a lab as its learner reads it, in Markdown, in the language "ja" or "en".
func Lab(l *scenario.Lab, language string) string {
	in := func(ja, en string) string { return lang.Both(ja, en).In(language) }
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", l.Title.In(language))
	if t := strings.TrimSpace(l.Text.In(language)); t != "" {
		fmt.Fprintf(&b, "%s\n\n", t)
	}
	b.WriteString(in("| ホスト | アドレス |\n", "| host | address |\n") + "|---|---|\n")
	for i := range l.Hosts {
		h := &l.Hosts[i]
		var addrs []string
		for _, n := range h.Networks {
			addrs = append(addrs, n.Address.String())
		}
		fmt.Fprintf(&b, "| %s | %s |\n", h.Name, strings.Join(addrs, ", "))
	}
	for i := range l.Tasks {
		t := &l.Tasks[i]
		fmt.Fprintf(&b, "\n## %d. %s (%s, %d%s)\n", i+1, t.Title.In(language), t.ID, t.Points, in(" 点", " points"))
		if text := strings.TrimSpace(t.Text.In(language)); text != "" {
			fmt.Fprintf(&b, "\n%s\n", text)
		}
	}
	if objectives, err := content.Objectives(); err == nil {
		var lessons []string
		for _, o := range objectives {
			if slices.Contains(l.Objectives, o.ID) {
				lessons = append(lessons, "enshu learn "+o.ID)
			}
		}
		if len(lessons) > 0 {
			fmt.Fprintf(&b, "\n%s: %s\n", in("読み物", "To read"), strings.Join(lessons, " · "))
		}
	}
	return b.String()
}
