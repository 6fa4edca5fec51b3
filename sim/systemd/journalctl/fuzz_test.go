package journalctl

import (
	"testing"
)

func FuzzCatalog(f *testing.F) {
	f.Add([]byte("-- 7d4958e842da4a758f6c1cdc7b36dcc5\nSubject: x\n\nThe @UNIT@\n"))
	f.Fuzz(func(t *testing.T, b []byte) { parseCatalog(catalog{}, string(b)) })
}
