// Package train holds what every trainer shares: the door through which progress leaves.
package train

// A Recorder receives the progress of training. Metric names are defined in
// docs/models.md. Implementations must not modify their arguments and must be safe
// for use by several goroutines.
type Recorder interface {
	Record(metric string, step int, value float64)
}

// Discard is a Recorder that forgets.
var Discard Recorder = discard{}

type discard struct{}

func (discard) Record(string, int, float64) {}
