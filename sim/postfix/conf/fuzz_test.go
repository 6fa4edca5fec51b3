package conf

import "testing"

func FuzzMainCf(f *testing.F) {
	for _, s := range []string{"a = b\n", "a = $b\n  c\n# x\n\n  d\nb = ${a?{x}:{y}}\n", "x\n", "= y\n", "q = ${{$a} < {2} ? {s} : {h}}\n", "m = $m\n", "a = ${a\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := New("/etc/postfix", "main.cf", data, nil)
		if err != nil {
			return
		}
		for name := range c.Set {
			c.Get(name)
		}
		c.Unused(data)
	})
}

func FuzzMasterCf(f *testing.F) {
	f.Add([]byte("smtp inet n - n - - smtpd\n  -o a=b\n"))
	f.Add([]byte("x unix - - n - - {a b} -o { c = d }\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, _ := ParseMaster("master.cf", data)
		for _, e := range entries {
			ListenAddress(e.Name)
		}
	})
}
