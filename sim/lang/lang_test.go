package lang_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"enshu/sim/lang"
)

func TestOf(t *testing.T) {
	for locale, want := range map[string]string{"ja_JP.UTF-8": "ja", "JA": "ja", "C.UTF-8": "en", "en_US.UTF-8": "en", "": "en"} {
		if got := lang.Of(locale); got != want {
			t.Errorf("LANG=%s is %s, want %s", locale, got, want)
		}
	}
}

func TestErrorInBothLanguages(t *testing.T) {
	inner := lang.Errorf("%s がありません", "there is no %s", "x")
	for _, c := range []struct {
		name   string
		err    error
		ja, en string
	}{
		{"plain", inner, "x がありません", "there is no x"},
		{"with a cause of both languages", lang.Errorf("失敗: %v", "failed: %v", inner), "失敗: x がありません", "failed: there is no x"},
		{"with a text", lang.Errorf("失敗%s", "failed%s", lang.Both("です", ", alas")), "失敗です", "failed, alas"},
		{"with a cause of one language", lang.Errorf("失敗: %v", "failed: %v", fs.ErrExist), "失敗: file already exists", "failed: file already exists"},
		{"English only", fs.ErrExist, "file already exists", "file already exists"},
		{"wrapped by more English", fmt.Errorf("second: %w", inner), "second: there is no x", "second: there is no x"},
	} {
		if got := lang.Tell(c.err, "ja"); got != c.ja {
			t.Errorf("%s: ja %q, want %q", c.name, got, c.ja)
		}
		if got := lang.Tell(c.err, "en"); got != c.en {
			t.Errorf("%s: en %q, want %q", c.name, got, c.en)
		}
	}
	if !errors.Is(lang.Errorf("失敗: %v", "failed: %v", fs.ErrExist), fs.ErrExist) {
		t.Error("the cause is lost")
	}
}
