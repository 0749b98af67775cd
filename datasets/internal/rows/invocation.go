package rows

import (
	"cmp"
	"encoding/binary"
	"iter"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// An Invocation is the record of one, its times in microseconds, the arrival since the
// midnight of its day. A duration of -1 is datasets.Unknown.
type Invocation struct {
	Arrival, Duration int64
	Function          uint32
}

// InvocationCodec writes and orders invocations. All of one is compared, so that the
// order of rows in the files, and where a run ends, does not matter.
var InvocationCodec = Codec[Invocation]{
	Size: 20,
	Put: func(b []byte, r Invocation) {
		binary.LittleEndian.PutUint64(b, uint64(r.Arrival))
		binary.LittleEndian.PutUint64(b[8:], uint64(r.Duration))
		binary.LittleEndian.PutUint32(b[16:], r.Function)
	},
	Get: func(b []byte) Invocation {
		return Invocation{int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:])), binary.LittleEndian.Uint32(b[16:])}
	},
	Compare: func(a, b Invocation) int {
		return cmp.Or(cmp.Compare(a.Arrival, b.Arrival), cmp.Compare(a.Function, b.Function), cmp.Compare(a.Duration, b.Duration))
	},
}

// Invocations are the records of a day as a [datasets.Sink] takes them.
func Invocations(day int, records iter.Seq2[Invocation, error]) iter.Seq2[datasets.Invocation, error] {
	return func(yield func(datasets.Invocation, error) bool) {
		for r, err := range records {
			inv := datasets.Invocation{
				Function: datasets.FunctionID(r.Function),
				Arrival:  time.Duration(day)*24*time.Hour + time.Duration(r.Arrival)*time.Microsecond,
				Duration: time.Duration(r.Duration) * time.Microsecond,
			}
			if !yield(inv, err) {
				return
			}
		}
	}
}
