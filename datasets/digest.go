package datasets

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"time"
)

// Digest is the SHA-256 of the day's rows, in hex: for each row function (uint32),
// minute (uint32) and count (uint64), little-endian, in the order of Counts. It
// depends neither on how a file packs the rows nor on functions without any.
func (c *Counts) Digest() string {
	h := sha256.New()
	buf := make([]byte, 0, 1<<16)
	for f := range len(c.Offset) - 1 {
		minute, count := c.Function(FunctionID(f))
		for i, m := range minute {
			buf = binary.LittleEndian.AppendUint32(buf, uint32(f))
			buf = binary.LittleEndian.AppendUint32(buf, uint32(m))
			buf = binary.LittleEndian.AppendUint64(buf, uint64(count[i]))
			if len(buf) > cap(buf)-16 {
				h.Write(buf)
				buf = buf[:0]
			}
		}
	}
	h.Write(buf)
	return hex.EncodeToString(h.Sum(nil))
}

// DayDigest names the content of a day by its [Counts.Digest] and, where its single
// invocations are known, their [Tally.Digest], "" where they are not.
func DayDigest(counts, invocations string) string {
	if invocations == "" {
		return counts
	}
	return counts + "," + invocations
}

// ContentDigest names the content of a trace, "sha256:…": its start and span, its
// functions with all their attributes, its days by their [DayDigest] from day 0, and
// its gaps. Names, notes and the layout of files do not enter.
func ContentDigest(start time.Time, span Window, functions []Function, days []string, gaps ...Window) string {
	w := digester{sha256.New(), make([]byte, 0, 1<<14)}
	w.integer(start.Unix())
	w.integer(int64(span.From))
	w.integer(int64(span.To))
	w.integer(int64(len(functions)))
	for i := range functions {
		f := &functions[i]
		w.integer(int64(f.ID))
		for _, s := range []string{f.Owner, f.App, f.Name, string(f.Trigger)} {
			w.text(s)
		}
		w.integer(f.Memory)
		w.number(f.CPU)
		for _, d := range []Distribution{f.Execution, f.Initialisation, f.Termination} {
			w.integer(int64(len(d.Prob)))
			for k := range d.Prob {
				w.number(d.Prob[k])
				w.integer(int64(d.Value[k]))
			}
		}
		w.integer(int64(f.Assumed))
	}
	w.integer(int64(len(days)))
	for _, d := range days {
		w.text(d)
	}
	for _, g := range gaps { // without any, the digest is what it was before there were gaps
		w.integer(int64(g.From))
		w.integer(int64(g.To))
	}
	return "sha256:" + w.sum()
}

// A digester writes values unambiguously: fixed width, strings after their length.
// It gathers them first, because a hash is slow to take eight bytes at a time.
type digester struct {
	h   hash.Hash
	buf []byte
}

func (w *digester) integer(v int64) {
	if len(w.buf) > cap(w.buf)-8 {
		w.flush()
	}
	w.buf = binary.LittleEndian.AppendUint64(w.buf, uint64(v))
}

func (w *digester) number(v float64) { w.integer(int64(math.Float64bits(v))) }

func (w *digester) text(s string) {
	w.integer(int64(len(s)))
	if len(w.buf)+len(s) > cap(w.buf) {
		w.flush()
	}
	w.buf = append(w.buf, s...)
}

// flush passes on what was gathered. Writing to a hash never returns an error.
func (w *digester) flush() {
	w.h.Write(w.buf)
	w.buf = w.buf[:0]
}

func (w *digester) sum() string {
	w.flush()
	return hex.EncodeToString(w.h.Sum(nil))
}
