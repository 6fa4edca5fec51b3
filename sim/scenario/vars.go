package scenario

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Check refuses a variable that says nothing or too much.
func (v *Var) Check(report func(key, ja, en string, args ...any)) {
	ways := 0
	if v.Pick != nil {
		ways++
	}
	if v.Token != 0 {
		ways++
		if v.Token < 1 || v.Token > 64 {
			report("token", "token: 1 から 64 文字までです（%d は使えません）", "token: from 1 to 64 letters, not %d", v.Token)
		}
	}
	if v.Int != nil {
		ways++
		if len(v.Int) != 2 || v.Int[0] > v.Int[1] {
			report("int", "int: 2 つの整数を、小さい方から書きます", "int: expected two whole numbers, the smaller first")
		}
	}
	if ways != 1 {
		report("", "変数には pick、token、int のうち 1 つだけを書きます", "a variable has exactly one of pick, token and int")
	}
}

// tokenLetters has no letters and digits that look alike.
const tokenLetters = "abcdefghjkmnpqrstuvwxyz23456789"

// draw returns the value for a seed. It depends on the seed and the name only,
// so a new variable leaves the others as they were.
func (v *Var) draw(seed uint64) string {
	h := fnv.New64a()
	h.Write([]byte(v.Name))
	r := rand.New(rand.NewPCG(seed, h.Sum64()))
	switch {
	case len(v.Pick) > 0:
		return v.Pick[r.IntN(len(v.Pick))]
	case len(v.Int) == 2 && v.Int[0] <= v.Int[1]:
		return strconv.Itoa(v.Int[0] + r.IntN(v.Int[1]-v.Int[0]+1))
	}
	var b strings.Builder
	for range min(max(v.Token, 1), 64) {
		b.WriteByte(tokenLetters[r.IntN(len(tokenLetters))])
	}
	return b.String()
}

// extremes are the values that stand for all: a lab that is right with each of
// them is right for every seed.
func (v *Var) extremes() []string {
	if len(v.Int) == 2 {
		return []string{strconv.Itoa(v.Int[0]), strconv.Itoa(v.Int[1])}
	}
	return v.Pick
}

var placeholder = regexp.MustCompile(`\{\{([^{}]*)\}\}`)

// filled returns a copy of a tree with the variables put in. Unknown ones are
// errors at their own place in the source.
func (d *decoder) filled(n *yaml.Node, values map[string]string, src []string) *yaml.Node {
	c := *n
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "{{") {
		c.Value = placeholder.ReplaceAllStringFunc(n.Value, func(m string) string {
			name := strings.TrimSpace(m[2 : len(m)-2])
			if v, ok := values[name]; ok {
				return v
			}
			known := make([]string, 0, len(values))
			for k := range values {
				known = append(known, k)
			}
			at := find(src, n, m)
			d.errorf(&yaml.Node{Line: at.Line, Column: at.Column}, "変数 %q はありません%s", "unknown variable %q%s", clip(name), meant(name, known))
			return m
		})
		// What a plain value is was decided before the variables were put in.
		if c.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
			c.Tag = "!!str"
		}
	}
	c.Content = nil
	for _, child := range n.Content {
		c.Content = append(c.Content, d.filled(child, values, src))
	}
	return &c
}

// find returns where a text of a scalar stands in the source: the scalar's own
// place when it is not written literally.
func find(src []string, n *yaml.Node, text string) Pos {
	for i := max(n.Line-1, 0); i < len(src); i++ {
		line := []rune(src[i])
		from := 0
		if i == n.Line-1 {
			from = min(max(n.Column-1, 0), len(line))
		}
		if before, _, ok := strings.Cut(string(line[from:]), text); ok {
			return Pos{i + 1, from + utf8.RuneCountInString(before) + 1}
		}
	}
	return Pos{n.Line, n.Column}
}

// drawAll draws every variable.
func drawAll(vars []Var, seed uint64) map[string]string {
	values := make(map[string]string, len(vars))
	for i := range vars {
		values[vars[i].Name] = vars[i].draw(seed)
	}
	return values
}

// variants are the sets of values that a file is checked with: a drawn one, and
// for every further value of a variable that one with it.
func variants(vars []Var) []map[string]string {
	base := drawAll(vars, 0)
	out := []map[string]string{base}
	for i := range vars {
		for _, value := range vars[i].extremes() {
			if value == base[vars[i].Name] {
				continue
			}
			with := make(map[string]string, len(base))
			for k, v := range base {
				with[k] = v
			}
			with[vars[i].Name] = value
			out = append(out, with)
		}
	}
	return out
}

// checkVars refuses names that could not be written and too many values.
func (d *decoder) checkVars(vars []Var, n *yaml.Node) {
	sets := 1
	for i := range vars {
		if !variableName.MatchString(vars[i].Name) {
			d.errorf(n, "vars: %q は変数の名前になりません。英小文字、数字、_ を使います", "vars: %q is not a name of a variable; use lower-case letters, digits and _", clip(vars[i].Name))
		}
		sets += len(vars[i].extremes())
	}
	if sets > maxVariants {
		d.errorf(n, "vars: 選べる値が %d 個あり、多すぎます。上限は %d 個です", "vars: %d values to pick from are too many; the limit is %d", sets, maxVariants)
	}
}

const maxVariants = 256

var variableName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// describe lists the values for a message.
func describe(values map[string]string, vars []Var) string {
	var b strings.Builder
	for i := range vars {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s=%s", vars[i].Name, values[vars[i].Name])
	}
	return b.String()
}
