package report

import (
	"strings"

	"enshu/sim/libc"
)

// noStart are characters that may not begin a line.
const noStart = "、。，．・：；？！ー）」』】〉》〕］｝,.:;?!)]}’”…ぁぃぅぇぉっゃゅょァィゥェォッャュョ"

// Wrap breaks a text into lines of at most cols columns: at blanks, and between
// wide characters. A word that is too long stays whole.
func Wrap(s string, cols int) []string {
	var out []string
	line, used := "", 0
	for _, piece := range pieces(s) {
		w := libc.Columns(piece)
		bare := strings.TrimRight(piece, " ")
		if used > 0 && used+libc.Columns(bare) > cols {
			out = append(out, strings.TrimRight(line, " "))
			line, used = "", 0
		}
		line += piece
		used += w
	}
	return append(out, strings.TrimRight(line, " "))
}

// pieces splits a text into what must stay together: words with the blanks
// behind them, and wide characters with the punctuation behind them.
func pieces(s string) []string {
	var out []string
	rs := []rune(s)
	for i := 0; i < len(rs); {
		j := i + 1
		if libc.RuneColumns(rs[i]) < 2 {
			for j < len(rs) && libc.RuneColumns(rs[j]) < 2 && rs[j-1] != ' ' {
				j++
			}
		} else if strings.ContainsRune("「『（【〈《", rs[i]) && j < len(rs) {
			j++ // an opening bracket does not end a line
		}
		for j < len(rs) && (rs[j] == ' ' || strings.ContainsRune(noStart, rs[j])) {
			j++
		}
		out = append(out, string(rs[i:j]))
		i = j
	}
	return out
}
