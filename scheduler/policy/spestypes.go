package policy

import (
	"cmp"
	"math"
	"slices"

	"github.com/incendio-faas/incendio/metric"
)

// classify finds the type of a function by its own series.
func (f *spesSeries) classify(o *SPESOptions) spesRule {
	length := f.now - f.first + 1
	if idle := length - f.minutes; float64(idle) < spesIdle*float64(length) {
		return spesRule{kind: spesWarm}
	}
	waits := slices.Clone(f.waiting[:min(f.waited, len(f.waiting))])
	slices.Sort(waits)
	if len(waits) < spesFew {
		return spesRule{kind: spesUnknown}
	}
	if len(waits) > spesFew && regular(waits) {
		return spesRule{kind: spesRegular, waits: []int{int(math.Round(metric.Linear(waits, 0.5)))}}
	}
	values := repeats(waits)
	if len(values) > 0 {
		modes := values[:min(spesModes, len(values))]
		if float64(covered(waits, modes)) >= spesCover*float64(len(waits)) {
			return spesRule{kind: spesApproximate, waits: modes}
		}
	}
	switch {
	case metric.Linear(waits, 0.9) < float64(o.Dense):
		return spesRule{kind: spesDense}
	case f.shortest >= spesRun || f.fewest >= spesCalls:
		return spesRule{kind: spesSuccessive}
	}
	short, again := 0, covered(waits, values)
	for _, w := range waits {
		if w <= o.Pulsed {
			short++
		}
	}
	switch half := len(waits) / 2; {
	case short > half && short >= again:
		return spesRule{kind: spesPulsed}
	case again > half:
		return spesRule{kind: spesPossible, waits: values}
	}
	return spesRule{kind: spesUnknown}
}

// regular reports whether the sorted waits are nearly equal.
func regular(waits []int) bool {
	if metric.Linear(waits, 0.95)-metric.Linear(waits, 0.05) < 1 {
		return true
	}
	var mean, square float64
	for _, w := range waits {
		mean += float64(w) / float64(len(waits))
	}
	for _, w := range waits {
		square += (float64(w) - mean) * (float64(w) - mean) / float64(len(waits))
	}
	return math.Sqrt(square) <= spesCV*mean
}

// repeats are the values that the sorted waits have more than once, the most frequent one first,
// of equals the smaller.
func repeats(waits []int) []int {
	type run struct{ value, n int }
	var runs []run
	for i := 0; i < len(waits); {
		j := i
		for j < len(waits) && waits[j] == waits[i] {
			j++
		}
		if j-i > 1 {
			runs = append(runs, run{waits[i], j - i})
		}
		i = j
	}
	slices.SortStableFunc(runs, func(a, b run) int { return cmp.Compare(b.n, a.n) })
	values := make([]int, len(runs))
	for k, r := range runs {
		values[k] = r.value
	}
	return values
}

// covered is how many of waits are one of the values.
func covered(waits, values []int) int {
	n := 0
	for _, w := range waits {
		if slices.Contains(values, w) {
			n++
		}
	}
	return n
}
