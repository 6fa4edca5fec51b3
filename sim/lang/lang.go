// Package lang has what learners read in the two languages of the product.
package lang

import (
	"errors"
	"fmt"
	"strings"
)

// Text is one text in both languages. The tags are those of lab files.
type Text struct {
	JA string `lab:"ja,required" doc:"Japanese."`
	EN string `lab:"en,required" doc:"English."`
}

// Both makes a text.
func Both(ja, en string) Text { return Text{ja, en} }

// In returns the text in a language, "ja" or "en".
func (t Text) In(lang string) string {
	if lang == "ja" {
		return t.JA
	}
	return t.EN
}

// Check reports a language in which the text has no words, by its key in a lab
// file. One that is missing altogether is not its business.
func (t *Text) Check(report func(key, ja, en string, args ...any)) {
	for _, said := range []struct{ key, text string }{{"ja", t.JA}, {"en", t.EN}} {
		if said.text != "" && strings.TrimSpace(said.text) == "" {
			report(said.key, "%s: 文章が空です", "%s: the text is empty", said.key)
		}
	}
}

// Of is "ja" or "en", whichever a value of LANG asks for (locale(7)).
func Of(locale string) string {
	if strings.HasPrefix(strings.ToLower(locale), "ja") {
		return "ja"
	}
	return "en"
}

// Error is an error that is told in both languages.
type Error struct {
	Text
	cause error
}

// Errorf returns an error with both texts formatted. Both get the same
// arguments; one that is a Text or an error is told in the language of the text,
// and the first error is the cause.
func Errorf(ja, en string, args ...any) *Error {
	e := &Error{}
	in := func(lang, format string) string {
		said := make([]any, len(args))
		for i, a := range args {
			switch a := a.(type) {
			case Text:
				said[i] = a.In(lang)
			case error:
				said[i] = Tell(a, lang)
			default:
				said[i] = a
			}
		}
		return fmt.Sprintf(format, said...)
	}
	for _, a := range args {
		if err, ok := a.(error); ok {
			e.cause = err
			break
		}
	}
	e.JA, e.EN = in("ja", ja), in("en", en)
	return e
}

// Error is the English text.
func (e *Error) Error() string { return e.EN }

// Unwrap returns the error that was an argument of Errorf.
func (e *Error) Unwrap() error { return e.cause }

// told is an error that has its text in both languages: an [Error], or several.
type told interface {
	error
	In(lang string) string
}

// Tell is what an error says in a language, or in English when that is all it has.
func Tell(err error, lang string) string {
	if e, ok := errors.AsType[told](err); ok && e.Error() == err.Error() {
		return e.In(lang)
	}
	return err.Error()
}
