package synthetic_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/synthetic"
	"github.com/incendio-faas/incendio/internal/seed"
)

// An app is what the paper counts: the functions of one application together.
type app struct {
	functions   int
	invocations float64
	memory      int64
	triggers    map[datasets.Trigger]bool
	minutes     map[int]int64 // counts, of applications that are not too busy to keep them
}

func (a *app) only(t datasets.Trigger) bool { return a.triggers[t] && len(a.triggers) == 1 }

// A survey is what the tests look at, taken a day at a time.
type survey struct {
	opts       synthetic.Options
	functions  []datasets.Function
	byFunction []float64
	byHour     []float64
	apps       map[string]*app
	total      float64
}

// tooBusy is the number of invocations a day above which single arrivals are not looked at.
const tooBusy = 2000

func surveyOf(t *testing.T, o synthetic.Options) *survey {
	t.Helper()
	tr, err := synthetic.Stream(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &survey{
		opts: o, functions: tr.Functions, byFunction: make([]float64, len(tr.Functions)),
		byHour: make([]float64, 24*o.Days), apps: map[string]*app{},
	}
	for _, f := range tr.Functions {
		a := s.apps[f.App]
		if a == nil {
			a = &app{memory: f.Memory, triggers: map[datasets.Trigger]bool{}, minutes: map[int]int64{}}
			s.apps[f.App] = a
		}
		a.functions++
		a.triggers[f.Trigger] = true
	}
	for day := range o.Days {
		c, err := tr.Day(t.Context(), day)
		if err != nil {
			t.Fatal(err)
		}
		for f := range tr.Functions {
			a := s.apps[tr.Functions[f].App]
			minute, count := c.Function(datasets.FunctionID(f))
			for i, m := range minute {
				n := float64(count[i])
				s.byFunction[f] += n
				s.byHour[24*day+int(m)/60] += n
				a.invocations += n
				if a.invocations <= tooBusy*float64(o.Days) {
					a.minutes[day*datasets.MinutesPerDay+int(m)] += count[i]
				}
			}
		}
	}
	for _, n := range s.byFunction {
		s.total += n
	}
	return s
}

// share of the applications.
func (s *survey) share(is func(*app) bool) float64 {
	n := 0
	for _, a := range s.apps {
		if is(a) {
			n++
		}
	}
	return float64(n) / float64(len(s.apps))
}

func (s *survey) days() float64 { return float64(s.opts.Days) }

// invocations is the share of all invocations that the applications make.
func (s *survey) invocations(is func(*app) bool) float64 {
	var sum float64
	for _, a := range s.apps {
		if is(a) {
			sum += a.invocations
		}
	}
	return sum / s.total
}

// of the functions with a trigger: their share of functions and of invocations.
func (s *survey) of(trigger datasets.Trigger) (functions, invocations float64) {
	for f, fn := range s.functions {
		if fn.Trigger == trigger {
			functions++
			invocations += s.byFunction[f]
		}
	}
	return functions / float64(len(s.functions)), invocations / s.total
}

// busiest is the share of invocations of the busiest applications.
func (s *survey) busiest(share float64) float64 {
	var all []float64
	for _, a := range s.apps {
		all = append(all, a.invocations)
	}
	slices.Sort(all)
	var sum float64
	for _, n := range all[len(all)-int(math.Ceil(share*float64(len(all)))):] {
		sum += n
	}
	return sum / s.total
}

// variability is the share of the applications whose inter-arrival times have a
// coefficient of variation that is as asked for. Arrivals are uniform in their minute.
func (s *survey) variability(is func(cv float64) bool) float64 {
	rnd := seed.Stream(1, "variability")
	var names []string
	for name := range s.apps {
		names = append(names, name)
	}
	slices.Sort(names)
	n, all := 0, 0
	for _, name := range names {
		a := s.apps[name]
		if a.invocations > tooBusy*s.days() || a.invocations < 3 {
			continue
		}
		var minutes []int
		for m := range a.minutes {
			minutes = append(minutes, m)
		}
		slices.Sort(minutes)
		var at []float64
		for _, m := range minutes {
			from := len(at)
			for range a.minutes[m] {
				at = append(at, float64(m)+rnd.Float64())
			}
			slices.Sort(at[from:])
		}
		mean := (at[len(at)-1] - at[0]) / float64(len(at)-1)
		var square float64
		for i := 1; i < len(at); i++ {
			square += (at[i] - at[i-1] - mean) * (at[i] - at[i-1] - mean)
		}
		all++
		if is(math.Sqrt(square/float64(len(at)-1)) / mean) {
			n++
		}
	}
	return float64(n) / float64(all)
}

// quantile of the memory of applications, in MB.
func (s *survey) memory(u float64) float64 {
	var mb []float64
	for _, a := range s.apps {
		mb = append(mb, float64(a.memory>>20))
	}
	slices.Sort(mb)
	return mb[int(u*float64(len(mb)))]
}

// executions returns the mean and the deviation of the logarithms of the average
// execution times in seconds, and the shares below a second and a minute.
func (s *survey) executions() (mean, deviation, second, minute float64) {
	n := float64(len(s.functions))
	for _, f := range s.functions {
		x := f.Execution.Mean()
		mean += math.Log(x.Seconds()) / n
		if x < time.Second {
			second += 1 / n
		}
		if x < time.Minute {
			minute += 1 / n
		}
	}
	for _, f := range s.functions {
		d := math.Log(f.Execution.Mean().Seconds()) - mean
		deviation += d * d / n
	}
	return mean, math.Sqrt(deviation), second, minute
}

// A claim is a published figure and what the trace has.
type claim struct {
	what              string
	got, want, within float64
}

func check(t *testing.T, o synthetic.Options, claims []claim) {
	t.Helper()
	for _, c := range claims {
		if !(math.Abs(c.got-c.want) <= c.within) {
			t.Errorf("seed %d, %d functions: %s: %.4f, expected %.4f within %.4f", o.Seed, o.Functions, c.what, c.got, c.want, c.within)
		}
	}
}

// claims are those that hold at every size, from Shahrad et al., USENIX ATC 2020. Draws
// are stratified, so that a share of the applications is off by about one of them; the
// tolerances leave room for timers, whose rate is rounded to a period, and for functions
// that cannot have every trigger. Times slack, for few applications.
func (s *survey) claims(slack float64) []claim {
	mean, deviation, second, minute := s.executions()
	timers, _ := s.of(datasets.Timer)
	http, _ := s.of(datasets.HTTP)
	queues, _ := s.of(datasets.Queue)
	events, _ := s.of(datasets.EventTrigger)
	steps, _ := s.of(datasets.Orchestration)
	storage, _ := s.of(datasets.Storage)
	slow := 0.0
	for f, fn := range s.functions {
		if fn.Trigger == datasets.Timer && s.byFunction[f] <= datasets.MinutesPerDay*s.days() {
			slow++
		}
	}
	return []claim{
		{"applications with one function (Section 3.2)", s.share(func(a *app) bool { return a.functions == 1 }), 0.54, 0.005 * slack},
		{"applications with at most ten functions (Section 3.2)", s.share(func(a *app) bool { return a.functions <= 10 }), 0.95, 0.015 * slack},
		{"applications at most once an hour (Section 3.3)", s.share(func(a *app) bool { return a.invocations <= 24*s.days()*1.01 }), 0.45, 0.01 * slack},
		{"applications at most once a minute (Section 3.3)", s.share(func(a *app) bool { return a.invocations <= 1440*s.days()*1.01 }), 0.81, 0.01 * slack},
		{"functions with HTTP (Fig. 2)", http, 0.550, 0.02 * slack},
		{"functions with queues (Section 3.2)", queues, 0.152, 0.01 * slack},
		{"functions with events (Section 3.2)", events, 0.022, 0.005 * slack},
		{"functions with orchestration (Fig. 2)", steps, 0.069, 0.01 * slack},
		{"functions with timers (Section 3.2)", timers, 0.156, 0.015 * slack},
		{"functions with storage (Fig. 2)", storage, 0.028, 0.005 * slack},
		{"applications with HTTP (Section 3.2)", s.share(func(a *app) bool { return a.triggers[datasets.HTTP] }), 0.64, 0.03 * slack},
		{"applications with HTTP alone (Section 3.2)", s.share(func(a *app) bool { return a.only(datasets.HTTP) }), 0.43, 0.01 * slack},
		{"applications with timers (Section 3.2)", s.share(func(a *app) bool { return a.triggers[datasets.Timer] }), 0.29, 0.01 * slack},
		{"applications with timers alone (Section 3.2)", s.share(func(a *app) bool { return a.only(datasets.Timer) }), 0.13, 0.01 * slack},
		{"timers of at most once a minute (Section 3.2)", slow / (timers * float64(len(s.functions))), 0.95, 0.04 + 0.01*slack},
		// The tail of the fit is cut at a minute, or at 4 s.
		{"log mean of the average execution (Fig. 7)", mean, -0.38, 0.08 * slack},
		{"log deviation of the average execution (Fig. 7)", deviation, 2.36, 0.2},
		{"functions below one second on average (Section 3.4)", second, 0.5, 0.07},
		{"functions below one minute on average (Section 3.4)", minute, 0.96, 0.03},
		// Quantiles of the Burr distribution with c = 11.652, k = 0.221, lambda = 107.083.
		{"half of the applications need at most, MB (Fig. 8)", s.memory(0.5), 139.6, 1.5 * slack},
		{"nine in ten need at most, MB (Fig. 8)", s.memory(0.9), 261.8, 5 * slack},
		{"one in a hundred needs at most, MB (Fig. 8)", s.memory(0.01), 82.3, 2 * slack},
	}
}

// The statistics that the sample run keeps.
func TestPublishedStatisticsOfTheSample(t *testing.T) {
	for _, rnd := range []uint64{1, 2, 3} {
		o := synthetic.DefaultOptions()
		o.Seed = rnd
		s := surveyOf(t, o)
		check(t, o, s.claims(3))
		for f, n := range s.byFunction {
			if n == 0 {
				t.Errorf("seed %d: function %d is never invoked", rnd, f)
			}
		}
		if s.total < 1e6 || s.total > 2e6 {
			t.Errorf("seed %d: %.0f invocations, expected 1 to 2 million", rnd, s.total)
		}
		// What the run has to find: the holiday, a Tuesday, beside the Tuesdays before and
		// after it, weekends beside the days before them, and the day beside the night.
		day := func(d int) (sum float64) {
			for _, n := range s.byHour[24*d : 24*d+24] {
				sum += n
			}
			return sum
		}
		if got := day(8) / ((day(1) + day(15)) / 2); got > 0.95 {
			t.Errorf("seed %d: the holiday has %.2f of a Tuesday's invocations", rnd, got)
		}
		if got := (day(5) + day(6) + day(12) + day(13)) / (day(3) + day(4) + day(10) + day(11)); got > 0.95 {
			t.Errorf("seed %d: a weekend has %.2f of the two days before it", rnd, got)
		}
		if rare := s.share(func(a *app) bool { return a.invocations <= s.days() }); rare < 0.05 {
			t.Errorf("seed %d: %.2f of the applications are invoked at most once a day", rnd, rare)
		}
	}
}

// The statistics that need many applications, or the published load: a few applications
// make nearly all invocations.
func TestPublishedStatistics(t *testing.T) {
	o := synthetic.Options{Functions: 5000, Days: 7, Busiest: synthetic.PublishedBusiest, Seed: 1}
	s := surveyOf(t, o)
	check(t, o, s.claims(1))
	invocations := func(trigger datasets.Trigger) float64 {
		_, n := s.of(trigger)
		return n
	}
	rare, busy := math.Inf(1), 0.0
	for _, n := range s.byFunction {
		rare, busy = min(rare, n/s.days()), max(busy, n/s.days())
	}
	var week, weekend float64
	for h, n := range s.byHour {
		if h/24 < 5 {
			week += n / 5
		} else {
			weekend += n / 2
		}
	}
	check(t, o, []claim{
		// 101.03 million a day by 2,500 applications of the public trace, chosen by the authors
		// of FeMux (EuroSys 2026); the files hold 910 million by 46,412 functions.
		{"thousands of invocations per application and day", s.total / s.days() / float64(len(s.apps)) / 1e3, 40.4, 8},
		{"invocations of the busiest 18.6 % of applications (Section 3.3)", s.busiest(0.186), 0.996, 0.001},
		// Few applications decide it: the busiest hundredth makes three quarters of all.
		{"invocations of applications with at most three functions (Section 3.2)", s.invocations(func(a *app) bool { return a.functions <= 3 }), 0.5, 0.12},
		{"applications with more than a hundred functions (Section 3.2)", s.share(func(a *app) bool { return a.functions > 100 }), 0.0004, 0.0004},
		// One function can be several hundredths of all invocations.
		{"invocations by HTTP (Fig. 2)", invocations(datasets.HTTP), 0.359, 0.05},
		{"invocations by queues (Section 3.2)", invocations(datasets.Queue), 0.335, 0.05},
		{"invocations by events (Section 3.2)", invocations(datasets.EventTrigger), 0.247, 0.05},
		{"invocations by orchestration (Fig. 2)", invocations(datasets.Orchestration), 0.023, 0.015},
		{"invocations by timers (Section 3.2)", invocations(datasets.Timer), 0.020, 0.01},
		{"invocations by storage (Fig. 2)", invocations(datasets.Storage), 0.007, 0.007},
		{"orders of magnitude of the rates of functions (Section 3.3)", math.Log10(busy / rare), 8, 1},
		{"applications with a CV of inter-arrival times above 1 (Section 3.6)", s.variability(func(cv float64) bool { return cv > 1 }), 0.40, 0.05},
		{"the quietest hour beside the busiest (Section 3.3: a baseline of roughly half)", slices.Min(s.byHour) / slices.Max(s.byHour), 0.5, 0.1},
		// Measured on the total per minute of the public trace, days 1 to 9.
		{"a day of a weekend beside a weekday", weekend / week, 0.907, 0.06},
	})
}
