package check

// Verdict is what a kind found out.
type Verdict struct {
	Broken   string   // the first broken link; "" when all hold
	Step     string   // the step it broke at, where that is not the link's usual one
	Walked   []string // the steps of the path that hold, in order
	Params   Params
	Evidence []uint64
	Lines    []string
	Err      error // it could not be tried
}
