package study

// ShortenDecisions leaves two cells and one tuned rival of the matrix of decisions, and
// returns what undoes that.
func ShortenDecisions() (undo func()) {
	cells, rivals := decisionCells, tunedRivals
	decisionCells, tunedRivals = decisionCells[4:6:6], []string{"native"}
	return func() { decisionCells, tunedRivals = cells, rivals }
}
