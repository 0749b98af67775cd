// Package train holds what every trainer shares: what it draws and computes with, and the door
// through which progress leaves.
package train

// A Recorder receives the progress of training; [Discard] is one for who does not look. Metric names are defined in
// docs/models.md. Implementations must not modify their arguments and must be safe
// for use by several goroutines.
type Recorder interface {
	Record(metric string, step int, value float64)
}

// Discard is a Recorder that forgets.
var Discard Recorder = discard{}

type discard struct{}

func (discard) Record(string, int, float64) {}

// Resources are what a search has beside its data and its options. The result depends on the
// seed alone.
type Resources struct {
	Seed     uint64 // of all draws
	Workers  int    // goroutines at once; less than 1 counts as 1
	Recorder Recorder
}
