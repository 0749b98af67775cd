package invocations

import (
	"math"
	"slices"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/cost"
)

// probabilities at which readers take quantiles.
var probabilities = cost.Probabilities()

// full is the number of samples at which all probabilities fall on one of them.
const full = 101

// samples returns times, in microseconds and ascending, whose quantiles are d at all
// probabilities, as few as will do and at most most (>= 1), and whether they are that to
// the microsecond. Full samples always are; of fewer, a number that tells all the quantiles is
// looked for, and where there is none the nearest is taken.
func samples(d datasets.Distribution, most int64) (micros []int64, exact bool) {
	want := make([]int64, len(probabilities))
	for i, p := range probabilities {
		want[i] = max(1, int64(d.Quantile(p).Round(time.Microsecond)/time.Microsecond))
	}
	nearest := int64(math.MaxInt64)
	for n := 1; n <= int(min(most, full)); n++ {
		try := solve(want, n)
		off := distance(try, want)
		if off < nearest {
			micros, nearest = try, off
		}
		if off == 0 {
			break
		}
	}
	return micros, nearest == 0
}

// distance is how far the quantiles of samples are from those wanted.
func distance(micros, want []int64) int64 {
	var q cost.Quantiles
	for _, v := range micros {
		q.Add(v)
	}
	var sum int64
	for i, v := range q.Distribution().Value {
		off := int64(v/time.Microsecond) - want[i]
		sum += max(off, -off)
	}
	return sum
}

// solve returns n samples that have the quantiles wanted, if n samples can. A quantile
// lies on a sample or on the line between two: those on a sample are set first, then of
// each line the end that is not known, the ones that bear most of a quantile first, since
// they are affected least by its rounding.
func solve(want []int64, n int) []int64 {
	const unknown = -1
	x := slices.Repeat([]int64{unknown}, n)
	x[0], x[n-1] = want[0], want[len(want)-1]
	type line struct {
		left  int
		share float64 // of the sample at left+1
		want  int64
	}
	var lines []line
	for i, p := range probabilities {
		at := p * float64(n-1)
		if k := int(at); at == float64(k) {
			x[k] = want[i]
		} else {
			lines = append(lines, line{k, at - float64(k), want[i]})
		}
	}
	bears := func(l line) float64 {
		if x[l.left] == unknown {
			return 1 - l.share
		}
		return l.share
	}
	slices.SortStableFunc(lines, func(a, b line) int {
		if bears(a) > bears(b) {
			return -1
		}
		return 1
	})
	for _, l := range lines {
		left, right := &x[l.left], &x[l.left+1]
		q := float64(l.want)
		switch {
		case *left == unknown && *right == unknown:
			*left, *right = l.want, l.want
		case *left == unknown:
			*left = int64(math.Round((q - l.share*float64(*right)) / (1 - l.share)))
		case *right == unknown:
			*right = int64(math.Round((q - (1-l.share)*float64(*left)) / l.share))
		}
	}
	for i := range x { // what no quantile depends on, and what rounding has put out of order
		if i > 0 {
			x[i] = max(x[i], x[i-1])
		}
		x[i] = max(1, x[i])
	}
	return x
}
