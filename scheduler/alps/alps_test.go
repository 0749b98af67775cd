package alps_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/scheduler/alps"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

const ms = decide.Millisecond

// TestSimulate is worked by hand. The job of class 1 comes at 3 ms, but is looked for at
// 8 ms; with 20 ms it is shorter than what class 0 has left. The one of class 2 comes when
// class 1 has run for 2 ms, and is looked for at 16 ms.
func TestSimulate(t *testing.T) {
	var got []string
	alps.Simulate([]alps.Job{{0, 0, 50 * ms}, {1, 3 * ms, 20 * ms}, {2, 10 * ms, 4 * ms}}, 8*ms, func(class int32, length decide.Time) {
		got = append(got, fmt.Sprint(class, ":", length/ms))
	})
	if want := "0:8 1:8 2:4 1:12 0:42"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// slow is Simulate microsecond by microsecond.
func slow(jobs []alps.Job, check decide.Time, stretch func(class int32, length decide.Time)) {
	left := make([]decide.Time, len(jobs))
	for i, j := range jobs {
		left[i] = j.CPU
	}
	over := make([]bool, len(jobs))
	running, began := -1, decide.Time(0)
	for now := decide.Time(0); slices.Contains(over, false); now++ {
		for {
			if running >= 0 && left[running] == 0 {
				stretch(jobs[running].Class, now-began)
				over[running], running = true, -1
			}
			first := -1
			for i := range jobs {
				if !over[i] && jobs[i].Begin <= now && (first < 0 || left[i] < left[first]) {
					first = i
				}
			}
			switch {
			case first < 0:
			case running < 0:
				running, began = first, now
				continue
			case now > began && (now-began)%check == 0 && left[first] < left[running]:
				stretch(jobs[running].Class, now-began)
				running, began = first, now
				continue
			}
			break
		}
		if running >= 0 {
			left[running]--
		}
	}
}

func TestSimulateAgainstSlow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		jobs := make([]alps.Job, rapid.IntRange(1, 20).Draw(t, "jobs"))
		for i := range jobs {
			jobs[i] = alps.Job{Class: int32(i), Begin: decide.Time(rnd.IntN(200)), CPU: decide.Time(rnd.IntN(60))}
		}
		slices.SortStableFunc(jobs, func(a, b alps.Job) int { return cmp.Compare(a.Begin, b.Begin) })
		check := decide.Time(rapid.IntRange(1, 20).Draw(t, "check"))
		record := func(simulate func([]alps.Job, decide.Time, func(int32, decide.Time))) (out []alps.Job) {
			simulate(jobs, check, func(class int32, length decide.Time) { out = append(out, alps.Job{Class: class, CPU: length}) })
			return out
		}
		got, want := record(alps.Simulate), record(slow)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%v with check %d: got %v, want %v", jobs, check, got, want)
		}
	})
}

func stats(lengths ...float64) (s alps.Stats) {
	for _, x := range lengths {
		s.Add(x)
	}
	return s
}

// TestLearn is worked by hand, with a floor of 1 ms.
func TestLearn(t *testing.T) {
	o := alps.DefaultOptions()
	o.MinSlice = ms
	table := alps.NewTable(4, o)
	expect := func(class int32, rank int32, slice decide.Time) {
		t.Helper()
		if table.Rank(class) != rank || table.Slice(class) != slice {
			t.Errorf("class %d has rank %d and slice %d, want %d and %d", class, table.Rank(class), table.Slice(class), rank, slice)
		}
	}
	expect(0, 0, ms)
	// Class 0: mean 300 ms, so at most 200 ms. Class 1: mean 60 ms, deviation 20 ms.
	// Class 2: mean 100 ms, and no longer a slice than class 1.
	table.Learn([]alps.Stats{stats(300e3), stats(40e3, 80e3), stats(100e3), {}}, 0.2)
	expect(1, 1, 40*ms)
	expect(2, 2, 40*ms)
	expect(0, 3, 40*ms)
	expect(3, 2, ms) // never seen: in the middle
	// Class 1 gets 0.7 * 20 + 0.3 * 40 = 26 ms. Class 2 is as it was: 100 ms by itself.
	table.Learn([]alps.Stats{{}, stats(20e3), {}, {}}, 0.2)
	expect(1, 1, 26*ms)
	expect(2, 2, 26*ms)
	// Class 2 becomes the first: 0.7 * 10 + 0.3 * 100 = 37 ms; class 1 keeps its 26 ms.
	table.Learn([]alps.Stats{{}, {}, stats(10e3), {}}, 0.2)
	expect(2, 1, 37*ms)
	expect(1, 2, 26*ms)
	// At full use the penalty is (100 + 50 - 100) / 100; at 80 % it is 0.7.
	table.Use(1)
	expect(2, 1, 18500)
	table.Use(0.8)
	expect(1, 2, 18200)
	table.Use(0.49)
	expect(1, 2, 26*ms)
}

// TestNoLongerSlice: whatever is learned in whatever order, a class of a later rank has
// longer stretches and no longer slices than one of an earlier rank.
func TestNoLongerSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const classes = 6
		o := alps.DefaultOptions()
		o.Smooth = rapid.Float64Range(0.01, 1).Draw(t, "smooth")
		o.Beta = rapid.Float64Range(0, 3).Draw(t, "beta")
		table := alps.NewTable(classes, o)
		mean := make([]float64, classes)
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			round := make([]alps.Stats, classes)
			for k := range round {
				if lengths := rapid.SliceOfN(rapid.Float64Range(0, 4e5), 0, 4).Draw(t, "lengths"); len(lengths) > 0 {
					round[k] = stats(lengths...)
					mean[k] = round[k].Mean
				}
			}
			table.Learn(round, rapid.Float64Range(0, 1).Draw(t, "used"))
			for a := range int32(classes) {
				for b := range int32(classes) {
					if mean[a] == 0 || mean[b] == 0 {
						continue
					}
					if mean[a] < mean[b] && (table.Rank(a) >= table.Rank(b) || table.Slice(a) < table.Slice(b)) {
						t.Fatalf("mean %g has rank %d and slice %d, mean %g rank %d and slice %d",
							mean[a], table.Rank(a), table.Slice(a), mean[b], table.Rank(b), table.Slice(b))
					}
					if s := table.Slice(a); s < o.MinSlice || s > o.MaxSlice {
						t.Fatalf("slice %d is out of bounds", s)
					}
				}
			}
		}
	})
}

func TestStats(t *testing.T) {
	s := stats(2, 4, 4, 4, 5, 5, 7, 9)
	if s.N != 8 || s.Mean != 5 || math.Abs(s.Std()-2) > 1e-12 { // textbook numbers
		t.Errorf("got %d, %g, %g", s.N, s.Mean, s.Std())
	}
}

// TestLearner: a round takes the last Recent invocations, one core's part of them; without a new one
// nothing changes; what is fixed does not learn.
func TestLearner(t *testing.T) {
	o := alps.DefaultOptions()
	o.Recent = 2
	l := alps.NewLearner(2, 1, 1, o)
	done := func(class int32, begin, cpu decide.Time) { l.Done(alps.Job{Class: class, Begin: begin, CPU: cpu}) }
	done(0, 0, 10*ms) // pushed out
	done(1, 100*ms, 50*ms)
	done(1, 200*ms, 50*ms)
	l.Round(0)
	if l.Rank(0) != 1 || l.Slice(0) != o.MinSlice || l.Rank(1) != 1 || l.Slice(1) != 50*ms {
		t.Errorf("ranks %d and %d, slices %d and %d", l.Rank(0), l.Rank(1), l.Slice(0), l.Slice(1))
	}
	l.Round(0)
	done(0, 300*ms, 10*ms)
	l.Round(0)
	if l.Rank(0) != 1 || l.Slice(0) != 10*ms || l.Rank(1) != 2 || l.Slice(1) != 10*ms {
		t.Errorf("ranks %d and %d, slices %d and %d", l.Rank(0), l.Rank(1), l.Slice(0), l.Slice(1))
	}
	fixed := alps.Fixed(l.Table)
	fixed.Done(alps.Job{Class: 1, CPU: ms})
	fixed.Round(1)
	if fixed.Rank(1) != 2 || fixed.Slice(1) != 5*ms || l.Slice(1) != 10*ms {
		t.Errorf("fixed: rank %d, slice %d; the other %d", fixed.Rank(1), fixed.Slice(1), l.Slice(1))
	}

	// Of four cores a quarter is kept, about.
	o.Recent = 1e6
	l, kept := alps.NewLearner(1000, 4, 1, o), 0
	for k := range int32(1000) {
		l.Done(alps.Job{Class: k, Begin: decide.Time(k) * 10 * ms, CPU: decide.Time(k + 1)})
	}
	l.Round(0)
	seen := map[int32]bool{}
	for k := range int32(1000) {
		seen[l.Rank(k)] = true
	}
	if kept = len(seen); kept < 200 || kept > 300 {
		t.Errorf("%d of 1000 were kept", kept)
	}
}

func TestOptions(t *testing.T) {
	if err := alps.DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(o *alps.Options){
		"every_us must be positive, got 0":                         func(o *alps.Options) { o.Every = 0 },
		"recent must be in [1, 1000000], got 0":                    func(o *alps.Options) { o.Recent = 0 },
		"check_us must be positive, got -1":                        func(o *alps.Options) { o.Check = -1 },
		"alpha must be positive, got 0":                            func(o *alps.Options) { o.Alpha = 0 },
		"beta must not be negative, got -1":                        func(o *alps.Options) { o.Beta = -1 },
		"gamma must be positive, got NaN":                          func(o *alps.Options) { o.Gamma = math.NaN() },
		"theta must be in [0, 100], got 101":                       func(o *alps.Options) { o.Theta = 101 },
		"smooth must be in (0, 1], got 0":                          func(o *alps.Options) { o.Smooth = 0 },
		"min_slice_us must be positive, got 0":                     func(o *alps.Options) { o.MinSlice = 0 },
		"max_slice_us must be in [min_slice_us, 86400000000], got": func(o *alps.Options) { o.MaxSlice = 1 },
	} {
		o := alps.DefaultOptions()
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func functions(names ...string) []datasets.Function {
	out := make([]datasets.Function, len(names))
	for i, n := range names {
		out[i] = datasets.Function{Owner: "o", App: "a", Name: n}
	}
	return out
}

// TestPolicy: what is learned offline schedules as what it was learned from, wherever the
// functions stand, and those that are new are in the middle.
func TestPolicy(t *testing.T) {
	o := alps.DefaultOptions()
	round := []alps.Stats{stats(30e3, 50e3), {}, stats(9e3), stats(900e3)}
	p, err := alps.Learned(functions("x", "y", "z", "w"), round, o)
	if err != nil {
		t.Fatal(err)
	}
	table := alps.NewTable(4, o)
	table.Learn(round, 0)
	back := p.Table(functions("new", "w", "z", "x"))
	for there, here := range map[int32]int32{0: 3, 2: 2, 3: 1} {
		if table.Rank(there) != back.Rank(here) || table.Slice(there) != back.Slice(here) {
			t.Errorf("class %d: rank %d, slice %d; it was %d, %d", here, back.Rank(here), back.Slice(here), table.Rank(there), table.Slice(there))
		}
	}
	if back.Rank(0) != 2 || back.Slice(0) != o.MinSlice {
		t.Errorf("a new function has rank %d and slice %d", back.Rank(0), back.Slice(0))
	}
}

func TestPolicyValidate(t *testing.T) {
	valid := func() *alps.Ranking {
		p, err := alps.Learned(functions("x", "y", "z"), []alps.Stats{stats(30e3), stats(9e3), stats(9e3)}, alps.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for want, change := range map[string]func(p *alps.Ranking){
		"classes[1]: key o/a/x must come after o/a/z":   func(p *alps.Ranking) { p.Classes[0], p.Classes[1] = p.Classes[2], p.Classes[0] },
		"classes[0]: runs must be at least 1, got 0":    func(p *alps.Ranking) { p.Classes[0].Runs = 0 },
		"mean_us and std_us must not be negative":       func(p *alps.Ranking) { p.Classes[2].MeanUS = math.NaN() },
		"slice_us must be in [3000, 200000], got 1":     func(p *alps.Ranking) { p.Classes[2].Slice = 1 },
		"rank 4 follows 1, expected one more":           func(p *alps.Ranking) { p.Classes[0].Rank = 4 },
		"but not its mean and slice":                    func(p *alps.Ranking) { p.Classes[1].Slice = 4000 },
		"must have longer stretches than o/a/z of rank": func(p *alps.Ranking) { p.Classes[0].MeanUS = 8e3 },
		"must not be longer than the 9000":              func(p *alps.Ranking) { p.Classes[0].Slice = 30000 },
		`sharing must be alps or ps, got "fair"`:        func(p *alps.Ranking) { p.Sharing = "fair" },
		"smooth must be in (0, 1], got 2":               func(p *alps.Ranking) { p.Options.Smooth = 2 },
	} {
		p := valid()
		change(p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	p, err := alps.Learned(functions("x", "y"), []alps.Stats{stats(30e3), stats(9e3)}, alps.DefaultOptions())
	if err != nil {
		f.Fatal(err)
	}
	good, err := json.Marshal(p)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"sharing":"ps","options":{},"classes":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := alps.Parse(data)
		if err != nil {
			return
		}
		table := p.Table(functions("x", "y", "new"))
		for k := range int32(3) {
			if s := table.Slice(k); s < p.Options.MinSlice || s > p.Options.MaxSlice || table.Rank(k) < 0 {
				t.Fatalf("rank %d, slice %d", table.Rank(k), s)
			}
		}
	})
}
