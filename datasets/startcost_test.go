package datasets_test

import (
	"encoding/csv"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// A start is one line of testdata/startcosts.csv: a function on a platform at a size.
type start struct {
	platform, workload string
	memory             int64   // MB
	cold, warm         float64 // medians, ms
	coldRuns, warmRuns int
}

func (s start) initialisation() float64 { return s.cold - s.warm }

func measuredStarts(t *testing.T) []start {
	t.Helper()
	f, err := os.Open("testdata/startcosts.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) float64 {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	var out []start
	for _, r := range rows[1:] {
		out = append(out, start{r[0], r[1], int64(number(r[2])), number(r[3]), number(r[4]), int(number(r[5])), int(number(r[6]))})
	}
	return out
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	if n := len(x); n%2 == 0 {
		return (x[n/2-1] + x[n/2]) / 2
	}
	return x[len(x)/2]
}

// typical is the initialisation without the factor of the function: the median of many.
func typical(memory int64) float64 {
	f := datasets.Function{Owner: "o", App: "a", Memory: memory << 20}
	var sum float64
	const n = 4000
	for i := range n {
		f.Name = strconv.Itoa(i)
		f.AssumeStartCost(1)
		sum += math.Log(float64(f.Initialisation.Mean()))
	}
	return math.Exp(sum/n) / 1e6
}

// The table and the spread follow from the measured medians as their comments say.
func TestStartCostsAreThoseMeasured(t *testing.T) {
	rows := measuredStarts(t)
	const machine = "FunctionBench/iluvatar"
	used := func(s start) bool { return !strings.HasPrefix(s.workload, "411.") }
	platform := func(name string, memory int64) float64 {
		var x []float64
		for _, s := range rows {
			if s.platform == name && used(s) && (s.memory == memory || name == machine) {
				x = append(x, s.initialisation())
			}
		}
		return median(x)
	}
	want := map[int64]float64{}
	// 4000 draws of a factor with sigma 0.62: the mean of their logarithms is off by 0.01
	// typically, and by the same at every size, for it is drawn for the function's name.
	shift := math.Log(typical(128)) - math.Log(2528)
	if math.Abs(shift) > 0.03 {
		t.Errorf("the factors have the median %.3f, expected 1", math.Exp(shift))
	}
	for _, memory := range []int64{128, 256, 512, 1024, 2048} {
		want[memory] = math.Cbrt(platform("SeBS/aws", memory) * platform("SeBS/gcp", memory) * platform(machine, memory))
		if got := typical(memory) / math.Exp(shift); math.Abs(got-want[memory]) > 1 {
			t.Errorf("%d MB: %.1f ms, measured %.1f", memory, got, want[memory])
		}
	}
	var square float64
	n := 0
	for _, s := range rows {
		if w, ok := want[s.memory]; ok && used(s) {
			square += math.Pow(math.Log(s.initialisation()/w), 2)
			n++
		}
	}
	if sigma := math.Sqrt(square / float64(n)); math.Abs(sigma-0.62) > 0.005 {
		t.Errorf("the measured functions lie %.4f from the table, expected 0.62", sigma)
	}
	// Between the sizes it is linear in the logarithms, and constant outside.
	for _, c := range []struct {
		memory int64
		want   float64
	}{{1, want[128]}, {64, want[128]}, {181, math.Sqrt(want[128] * want[256])}, {3008, want[2048]}, {1 << 20, want[2048]}} {
		if got := typical(c.memory) / math.Exp(shift); math.Abs(got-c.want) > 2 {
			t.Errorf("%d MB: %.1f ms, expected %.1f", c.memory, got, c.want)
		}
	}
}

// The start cost follows the function's key and memory, whatever its row.
func TestAssumedStartCost(t *testing.T) {
	f := datasets.Function{Owner: "o", App: "a", Name: "f", Memory: 100 << 20}
	g := f
	g.ID, g.Trigger = 99, datasets.Timer
	f.AssumeStartCost(1)
	g.AssumeStartCost(1)
	if !reflect.DeepEqual(f.Initialisation, g.Initialisation) || !reflect.DeepEqual(f.Termination, g.Termination) {
		t.Errorf("%v and %v", f.Initialisation, g.Initialisation)
	}
	if f.Assumed != datasets.AssumedStartCost {
		t.Errorf("assumed %b", f.Assumed)
	}
	if r := float64(f.Termination.Mean()) / float64(f.Initialisation.Mean()); math.Abs(r-0.6) > 1e-5 {
		t.Errorf("termination is %g of initialisation", r)
	}
	// Over many functions: log-normal with sigma 0.62.
	const n = 4000
	var sum, square float64
	for i := range n {
		f.Name = strconv.Itoa(i)
		f.AssumeStartCost(1)
		z := math.Log(float64(f.Initialisation.Mean()) / float64(2528*time.Millisecond))
		sum, square = sum+z, square+z*z
	}
	if mean, sigma := sum/n, math.Sqrt(square/n); math.Abs(mean) > 0.04 || math.Abs(sigma-0.62) > 0.03 {
		t.Errorf("the logarithm has mean %g and deviation %g", mean, sigma)
	}
	f.AssumeStartCost(2)
	h := f
	h.AssumeStartCost(1)
	if reflect.DeepEqual(f.Initialisation, h.Initialisation) {
		t.Error("another seed gave the same cost")
	}
}
