// Package mailaddr reads and writes mail addresses in Postfix's dialect of RFC
// 5322, and completes them.
package mailaddr

import (
	"net/netip"
	"slices"
	"strings"
)

// An address has two forms. The internal form is what queue files and tables
// hold: the local part without quotes. The external form (RFC 5322) is what
// headers, SMTP commands and the log show.

// Token is a lexical element of RFC 5322 text, in Postfix's dialect.
type Token struct {
	Kind byte // 'a' atom, 'q' quoted string, 'c' comment, 'l' domain literal; else the character itself
	text string
}

const operators = "|%!.@,:;<>"

// Scan splits header or alias text. An unclosed quote, comment or
// literal takes the rest.
func Scan(s string) []Token {
	var out []Token
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '"':
			text, next := ScanQuoted(s, i+1, '"')
			out = append(out, Token{'q', text})
			i = next
		case c == '(':
			end, depth := i, 0
			for ; end < len(s); end++ {
				switch s[end] {
				case '\\':
					end++
					continue
				case '(':
					depth++
				case ')':
					depth--
				}
				if depth == 0 {
					break
				}
			}
			out = append(out, Token{'c', s[i:min(end+1, len(s))]})
			i = min(end+1, len(s))
		case c == '[':
			end := strings.IndexByte(s[i:], ']')
			if end < 0 {
				end = len(s) - i - 1
			}
			out = append(out, Token{'l', s[i : i+end+1]})
			i += end + 1
		case c == ':' && len(s) >= i+9 && strings.EqualFold(s[i:i+9], ":include:"):
			end := i + 9
			for end < len(s) && !strings.ContainsRune(" \t\n\r,", rune(s[end])) {
				end++
			}
			out = append(out, Token{'a', s[i:end]})
			i = end
		case strings.IndexByte(operators, c) >= 0:
			out = append(out, Token{c, s[i : i+1]})
			i++
		default:
			var b strings.Builder
			for i < len(s) && strings.IndexByte(" \t\n\r\"([])"+operators, s[i]) < 0 {
				if s[i] == '\\' && i+1 < len(s) {
					i++
				}
				b.WriteByte(s[i])
				i++
			}
			if b.Len() == 0 { // a stray ')' or ']'
				b.WriteByte(s[i])
				i++
			}
			out = append(out, Token{'a', b.String()})
		}
	}
	return out
}

// ScanQuoted reads up to the closing quote, removing backslashes. next is the
// place after it.
func ScanQuoted(s string, i int, quote byte) (text string, next int) {
	var b strings.Builder
	for ; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == quote:
			return b.String(), i + 1
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), i
}

// FormatTokens writes tokens as text, the way postalias(1) stores members.
func FormatTokens(tokens []Token) string {
	var b strings.Builder
	for i, t := range tokens {
		if i > 0 && wordLike(t.Kind) && wordLike(tokens[i-1].Kind) {
			b.WriteByte(' ')
		}
		switch t.Kind {
		case 'q':
			b.WriteString(Quote(t.text))
		case ',':
			b.WriteString(", ")
		default:
			b.WriteString(t.text)
		}
	}
	return b.String()
}

func wordLike(kind byte) bool { return kind == 'a' || kind == 'q' || kind == 'l' || kind == 'c' }

// Quote puts a local part in quotes (RFC 5322 quoted-string).
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' || s[i] == '\r' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}

// Mailbox is one address of a list, with what stands around it.
type Mailbox struct {
	phrase  string // display name as written, "" when there is none
	Address string // internal form
	angle   bool   // written as <address>
	comment string // comments after it, with their parentheses
	group   string // the group that begins here: "name: "
	end     bool   // the group ends here: ";"
	spaced  bool   // words of the address stood apart: not valid in SMTP
}

// Parse reads an address list (RFC 5322, and the older forms that
// sendmail took: words that stand apart are addresses of their own).
func Parse(s string) []Mailbox {
	return slices.DeleteFunc(ParseField(s), Mailbox.Empty)
}

// Empty reports whether nothing stands between two commas.
func (m Mailbox) Empty() bool { return m.Address == "" && !m.angle }

// ParseField reads the value of a header field: Parse, and what else stands there,
// for Format to write it again.
func ParseField(s string) []Mailbox {
	var out []Mailbox
	var item []Token
	angle, group := 0, ""
	flush := func() {
		list := parseItem(item)
		if len(list) == 0 {
			list = []Mailbox{{comment: FormatTokens(item)}}
		}
		list[0].group, group = group, ""
		out = append(out, list...)
		item = nil
	}
	for _, t := range Scan(s) {
		switch {
		case t.Kind == '<':
			angle++
		case t.Kind == '>' && angle > 0:
			angle--
		case angle == 0 && t.Kind == ',':
			flush()
			continue
		case angle == 0 && t.Kind == ';':
			if len(item) > 0 || group != "" || len(out) == 0 {
				flush()
			}
			out[len(out)-1].end = true
			continue
		case angle == 0 && t.Kind == ':':
			group += FormatTokens(item) + ": "
			item = nil
			continue
		}
		item = append(item, t)
	}
	if len(item) > 0 || group != "" || len(out) > 0 && !out[len(out)-1].end {
		flush()
	}
	return out
}

func parseItem(item []Token) []Mailbox {
	open := -1
	for i, t := range item {
		if t.Kind == '<' {
			open = i
			break
		}
	}
	if open >= 0 {
		end := len(item)
		for i := open + 1; i < len(item); i++ {
			if item[i].Kind == '>' {
				end = i
				break
			}
		}
		m := Mailbox{angle: true, phrase: FormatTokens(item[:open])}
		m.Address, m.spaced = JoinTokens(item[open+1 : end])
		for _, t := range item[min(end+1, len(item)):] {
			if t.Kind == 'c' {
				m.comment += t.text
			}
		}
		return []Mailbox{m}
	}
	var out []Mailbox
	var words []Token
	comment := ""
	flush := func() {
		if len(words) > 0 {
			a, spaced := JoinTokens(words)
			out = append(out, Mailbox{Address: a, spaced: spaced})
			words = nil
		}
	}
	for _, t := range item {
		if t.Kind == 'c' {
			comment += t.text
			continue
		}
		if n := len(words); n > 0 && wordLike(t.Kind) && wordLike(words[n-1].Kind) {
			flush()
		}
		words = append(words, t)
	}
	flush()
	if len(out) > 0 {
		out[len(out)-1].comment = comment
	}
	return out
}

// JoinTokens joins the tokens of one address without quotes.
func JoinTokens(tokens []Token) (address string, spaced bool) {
	var b strings.Builder
	last := byte(0)
	for _, t := range tokens {
		if t.Kind == 'c' {
			continue
		}
		if wordLike(t.Kind) && wordLike(last) {
			spaced = true
			b.WriteByte(' ')
		}
		last = t.Kind
		b.WriteString(t.text)
	}
	return b.String(), spaced
}

// Format writes a mailbox in external form.
func (m Mailbox) Format() string {
	var words []string
	if m.phrase != "" {
		words = append(words, m.phrase)
	}
	if m.angle {
		words = append(words, "<"+External(m.Address)+">")
	} else if m.Address != "" {
		words = append(words, External(m.Address))
	}
	if m.comment != "" {
		words = append(words, m.comment)
	}
	text := m.group + strings.Join(words, " ")
	if m.end {
		text += ";"
	}
	return text
}

// Split splits at the last '@'; domain is "" when there is none.
func Split(address string) (local, domain string, hasDomain bool) {
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		return address[:at], address[at+1:], true
	}
	return address, "", false
}

// External quotes the local part of an internal address where RFC 5321 wants it.
func External(address string) string {
	if address == "" {
		return ""
	}
	local, domain, has := Split(address)
	if !isDotString(local) {
		local = Quote(local)
	}
	if has {
		return local + "@" + domain
	}
	return local
}

// isDotString reports whether a local part needs no quotes.
func isDotString(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] == 0x7f || strings.IndexByte("()<>@,;:\\\"[]", s[i]) >= 0 {
			return false
		}
	}
	return true
}

// SplitExtension splits user+extension at the first delimiter, as
// split_addr(3) does; names that the system owns are not split.
func SplitExtension(local, delimiters string) (user, extension string, ok bool) {
	if delimiters == "" || strings.EqualFold(local, "postmaster") || strings.EqualFold(local, "mailer-daemon") {
		return local, "", false
	}
	lower := strings.ToLower(local)
	if strings.HasPrefix(lower, "owner-") && strings.Contains(delimiters, "-") || strings.HasSuffix(lower, "-request") && strings.Contains(delimiters, "-") {
		return local, "", false
	}
	at := strings.IndexAny(local, delimiters)
	if at <= 0 {
		return local, "", false
	}
	return local[:at], local[at+1:], true
}

// Rewriter holds what decides how addresses are completed.
type Rewriter struct {
	Origin, Domain                             string // appended to bare names and undotted domains
	AppendOrigin, AppendDot, BangPath, Percent bool
}

// Rewrite puts an internal address into its canonical form user@domain
// (trivial-rewrite(8)). The null address stays as it is.
func (r Rewriter) Rewrite(address string) string {
	if address == "" {
		return ""
	}
	if address[0] == '@' { // a source route, RFC 5321 section 4.1.1.3
		if colon := strings.IndexByte(address, ':'); colon >= 0 && colon < len(address)-1 {
			address = address[colon+1:]
		} else if strings.Count(address, "@") > 1 {
			if comma := strings.LastIndexByte(address, ','); comma >= 0 {
				address = address[comma+1:]
			}
		}
	}
	local, domain, has := Split(address)
	if !has {
		if bang := strings.IndexByte(local, '!'); r.BangPath && bang > 0 {
			local, domain, has = local[bang+1:], local[:bang], true
		} else if at := strings.LastIndexByte(local, '%'); r.Percent && at > 0 {
			local, domain, has = local[:at], local[at+1:], true
		}
	}
	if !has || domain == "" {
		if !r.AppendOrigin {
			return local
		}
		domain = r.Origin
	}
	if trimmed := strings.TrimSuffix(domain, "."); trimmed != domain {
		domain = trimmed
	} else if r.AppendDot && !strings.ContainsAny(domain, ".[") {
		domain += "." + r.Domain
	}
	return local + "@" + domain
}

// All completes several addresses.
func (r Rewriter) All(addresses []string) []string {
	out := make([]string, len(addresses))
	for i, a := range addresses {
		out[i] = r.Rewrite(a)
	}
	return out
}

// ValidDomain reports whether a domain is of letters, digits, hyphens and dots
// (valid_hostname(3)), or an address literal.
func ValidDomain(s string) bool {
	if strings.HasPrefix(s, "[") {
		_, err := netip.ParseAddr(strings.TrimPrefix(strings.Trim(s, "[]"), "IPv6:"))
		return err == nil
	}
	if s == "" || len(s) > 255 || strings.Trim(s, "0123456789.") == "" {
		return false
	}
	for _, label := range strings.Split(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			if c := label[i] | 0x20; (c < 'a' || c > 'z') && (label[i] < '0' || label[i] > '9') && label[i] != '-' && label[i] != '_' {
				return false
			}
		}
	}
	return true
}
