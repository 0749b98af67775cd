package study

// ShortenDecisions leaves two cells and one tuned rival of the matrix of decisions, and
// returns what undoes that.
func ShortenDecisions() (undo func()) {
	cells, rivals := decisionCells, tunedRivals
	decisionCells, tunedRivals = decisionCells[4:6:6], []string{"native"}
	return func() { decisionCells, tunedRivals = cells, rivals }
}

// ShortenAdvantages leaves two cells of a few short futures, and returns what undoes that.
func ShortenAdvantages() (undo func()) {
	cells := advantageCells
	advantageCells = nil
	for _, k := range []int{0, 4} {
		c := cells[k]
		c.states, c.futures, c.stretches, c.warmup, c.length = 6, 2, 2, 1, 2
		advantageCells = append(advantageCells, c)
	}
	return func() { advantageCells = cells }
}

// ShortenDispatch draws a few instances, and returns what undoes that.
func ShortenDispatch() (undo func()) {
	run := dispatching
	dispatching.instances, dispatching.nodes = 40, 1000
	return func() { dispatching = run }
}

// CrossFit and FittedGains are those of the study of advantages.
var CrossFit = crossFit

// FittedGains of states with a first feature and a gain each.
func FittedGains(first, gains []float64) []float64 {
	states := make([]valued, len(first))
	for i, x := range first {
		states[i].Features[0] = x
	}
	return fittedGains(states, gains)
}
