package timeseries

// A Chain is a Markov chain of the first order over the states 0 to k-1, by the counts
// of what followed what.
type Chain struct {
	k      int
	counts []uint32 // shape (k, k): from, to
	at     int
}

// NewChain returns a chain of k >= 1 states that has seen none.
func NewChain(k int) *Chain { return &Chain{k: k, counts: make([]uint32, k*k), at: -1} }

// Observe takes in the next state, in [0, k).
func (c *Chain) Observe(state int) {
	if c.at >= 0 {
		c.counts[c.at*c.k+state]++
	}
	c.at = state
}

// Next is the state that has followed the present one most often; of equals the one
// nearest to it, and of those the higher. It is false where nothing has followed it yet.
func (c *Chain) Next() (state int, ok bool) {
	if c.at < 0 {
		return 0, false
	}
	row := c.counts[c.at*c.k : (c.at+1)*c.k]
	state = c.at
	for d := range c.k {
		for _, s := range []int{c.at + d, c.at - d} {
			if s >= 0 && s < c.k && row[s] > row[state] {
				state = s
			}
		}
	}
	return state, row[state] > 0
}
