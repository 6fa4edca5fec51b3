package session

import (
	"cmp"
	"fmt"
	"io"
	"strconv"

	"enshu/cmd/enshu/page"
	"enshu/sim/lang"
)

// WriteClocks writes true time and the clock of each host as a table, in the time
// zone of each.
func (st *Status) WriteClocks(w io.Writer, language string) error {
	const layout = "2006-01-02 15:04:05.000 -0700"
	word := func(ja, en string) string { return lang.Both(ja, en).In(language) }
	rate := ""
	if st.Rate != 1 {
		rate = fmt.Sprintf(word("  (%g 倍速)", "  (%g times real time)"), st.Rate)
	}
	fmt.Fprintf(w, "%s %s%s\n", word("真の時刻", "true time"), st.Now.Format(layout), rate)
	rows := [][]string{{word("ホスト", "host"), word("ローカル時刻", "local time"), word("ずれ", "offset"),
		word("周波数誤差", "frequency"), word("参照先", "source"), word("階層", "stratum")}}
	for _, h := range st.Hosts {
		source, stratum := "-", "-"
		if h.Stratum > 0 {
			source, stratum = cmp.Or(h.Source, "-"), strconv.Itoa(h.Stratum)
		}
		rows = append(rows, []string{h.Name, h.Local.Format(layout), fmt.Sprintf("%+.6f s", h.Offset.Seconds()),
			fmt.Sprintf("%+.3f ppm", h.Frequency), source, stratum})
	}
	return page.Columns(w, rows)
}
