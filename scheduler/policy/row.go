package policy

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// A Stack is a named composition of the three choices (package decide). Every Scheduler
// needs one of its own.
type Stack struct {
	Name       string
	Dispatcher decide.Dispatcher
	Pool       decide.Pool
	Placer     decide.Placer

	// CPUShare limits what executes at once on an invoker to this multiple of its
	// cores. 0 is no limit: invocations share the cores, as containers do.
	CPUShare float64

	// Sharing is the fourth choice: what the invokers are to do with their cores. The
	// zero value leaves it to them.
	Sharing Sharing
}

// A Site is what a stack is built for.
type Site struct {
	Profiles []decide.Profile     // of the functions of the Scheduler
	Invokers []decide.InvokerSpec // and its machines
	Start    decide.Time          // when the clock begins
	Future   decide.Future        // nil where nobody knows it
	Seed     uint64               // of policies that draw
}

// A Row is a policy as tables have it: a stack that needs no bundle. It stands in the file of
// its algorithm.
type Row struct {
	Name           string
	Sharing        string // the discipline of its invokers, where it brings one
	Source         string // where the policy comes from
	Reconstruction bool   // from a description, where no code or pseudocode of the authors was at hand
	Clairvoyant    bool   // it asks Site.Future: a reference, which no platform can run
	Parameters     []Parameter

	bind func(values []float64, given []bool) func(Site) (Stack, error)
}

// A Kind is what the value of a parameter is.
type Kind uint8

// The kinds.
const (
	Number   Kind = iota
	Whole         // a whole number
	Duration      // in the unit that its name ends with
	Switch        // 1 or true, 0 or false
)

// A Parameter of a policy has a name, under which a specification sets it. A search moves all
// of them over real numbers, see [Parameter.Snap].
type Parameter struct {
	Name      string
	Doc       string // what it means, with its unit
	Kind      Kind
	Default   float64
	Low, High float64 // the range, both included
}

// Snap returns the value that the parameter takes at v.
func (p *Parameter) Snap(v float64) float64 {
	switch p.Kind {
	case Whole:
		return math.Trunc(v)
	case Switch:
		if v >= 0.5 {
			return 1
		}
		return 0
	}
	return v
}

// parse reads the value of p.
func (p *Parameter) parse(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	what := "a number"
	switch p.Kind {
	case Whole:
		if what = "a whole number"; v != math.Trunc(v) {
			err = strconv.ErrSyntax
		}
	case Switch:
		on, wrong := strconv.ParseBool(text)
		if wrong != nil {
			return 0, fmt.Errorf("%s must be 1 or 0, true or false, got %q", p.Name, text)
		}
		if on {
			return 1, nil
		}
		return 0, nil
	}
	if err != nil || !(v >= p.Low && v <= p.High) {
		return 0, fmt.Errorf("%s must be %s in [%g, %g], got %q", p.Name, what, p.Low, p.High, text)
	}
	return v, nil
}

// Build reads assignments, each as in "keep_alive_s=60", and returns the builder of the stack
// with those parameters.
func (r *Row) Build(assignments ...string) (func(Site) (Stack, error), error) {
	values, given := make([]float64, len(r.Parameters)), make([]bool, len(r.Parameters))
	for _, one := range assignments {
		name, text, _ := strings.Cut(one, "=")
		i := slices.IndexFunc(r.Parameters, func(p Parameter) bool { return p.Name == name })
		switch {
		case len(r.Parameters) == 0:
			return nil, fmt.Errorf("%s has no parameters, got %q", r.Name, one)
		case i < 0:
			names := make([]string, len(r.Parameters))
			for k, p := range r.Parameters {
				names[k] = p.Name
			}
			return nil, fmt.Errorf("parameter %q: must be one of %s", name, strings.Join(names, ", "))
		}
		v, err := r.Parameters[i].parse(text)
		if err != nil {
			return nil, err
		}
		values[i], given[i] = v, true
	}
	build := r.bind(values, given)
	return func(s Site) (Stack, error) {
		if r.Clairvoyant && s.Future == nil {
			return Stack{}, fmt.Errorf("policy %q knows the future, which only a replay has", r.Name)
		}
		return build(s)
	}, nil
}

// A field is a parameter and the place in the options O that it sets.
type field[O any] struct {
	Parameter
	get func(*O) float64
	set func(*O, float64)
}

// row binds the parameters of r to the options that build takes; options has their defaults.
func row[O any](r Row, options O, fields []field[O], build func(Site, O) Stack) Row {
	return checked(r, options, fields, func(s Site, o O) (Stack, error) { return build(s, o), nil })
}

// checked is row for a policy that checks its options together.
func checked[O any](r Row, options O, fields []field[O], build func(Site, O) (Stack, error)) Row {
	for i := range fields {
		p := fields[i].Parameter
		p.Default = fields[i].get(&options)
		r.Parameters = append(r.Parameters, p)
	}
	r.bind = func(values []float64, given []bool) func(Site) (Stack, error) {
		o := options
		for i := range fields {
			if given[i] {
				fields[i].set(&o, values[i])
			}
		}
		return func(s Site) (Stack, error) { return build(s, o) }
	}
	return r
}

func number[O any](name, doc string, low, high float64, at func(*O) *float64) field[O] {
	return field[O]{
		Parameter{Name: name, Doc: doc, Low: low, High: high},
		func(o *O) float64 { return *at(o) }, func(o *O, v float64) { *at(o) = v },
	}
}

func whole[O any](name, doc string, low, high int, at func(*O) *int) field[O] {
	return field[O]{
		Parameter{Name: name, Doc: doc, Kind: Whole, Low: float64(low), High: float64(high)},
		func(o *O) float64 { return float64(*at(o)) }, func(o *O, v float64) { *at(o) = int(v) },
	}
}

func onOff[O any](name, doc string, at func(*O) *bool) field[O] {
	return field[O]{
		Parameter{Name: name, Doc: doc, Kind: Switch, High: 1},
		func(o *O) float64 {
			if *at(o) {
				return 1
			}
			return 0
		},
		func(o *O, v float64) { *at(o) = v != 0 },
	}
}

// timed is a duration in the given unit, from low to high of them.
func timed[O any](name, doc string, unit decide.Time, low, high float64, at func(*O) *decide.Time) field[O] {
	return field[O]{
		Parameter{Name: name, Doc: doc, Kind: Duration, Low: low, High: high},
		func(o *O) float64 { return float64(*at(o)) / float64(unit) },
		func(o *O, v float64) { *at(o) = decide.Time(math.Round(v * float64(unit))) },
	}
}

// megabytes is an amount of memory in units of 2^20 bytes.
func megabytes[O any](name, doc string, low, high float64, at func(*O) *int64) field[O] {
	return field[O]{
		Parameter{Name: name, Doc: doc, Low: low, High: high},
		func(o *O) float64 { return float64(*at(o)) / (1 << 20) },
		func(o *O, v float64) { *at(o) = int64(v * (1 << 20)) },
	}
}

// keepFor is the keep-alive, a parameter of many rows.
func keepFor[O any](at func(*O) *decide.Time) field[O] {
	return timed("keep_alive_s", "how long an idle container is kept, in seconds", decide.Second, 0, 1e9, at)
}

// A KeepAlive is the options of policies that have no other.
type KeepAlive struct {
	Keep decide.Time // that an idle container is kept, >= 0
}

// kept is a row that has a keep-alive, at first ten minutes, and no other parameter.
func kept(r Row, build func(keep decide.Time) Stack) Row {
	return row(r, KeepAlive{NativeKeepAlive}, []field[KeepAlive]{keepFor(func(o *KeepAlive) *decide.Time { return &o.Keep })},
		func(_ Site, o KeepAlive) Stack { return build(o.Keep) })
}

// plain is a row without parameters.
func plain(r Row, build func(Site) Stack) Row {
	return row(r, struct{}{}, nil, func(s Site, _ struct{}) Stack { return build(s) })
}
