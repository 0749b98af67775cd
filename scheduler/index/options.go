package index

import (
	"fmt"
	"math"
)

// Exponents of a log-linear score over the factors of a function (Incendio, Table I): the
// score is the sum of each exponent times the logarithm of its factor. A positive one makes
// a larger factor a larger score.
type Exponents struct {
	Exec  float64 `json:"exec"`  // expected execution, s
	Init  float64 `json:"init"`  // expected initialisation, s
	Mem   float64 `json:"mem"`   // memory of a container, units of 512 * 2^20 bytes
	CPU   float64 `json:"cpu"`   // cores that a request can use
	Freq  float64 `json:"freq"`  // requests per minute, a running mean
	Clock float64 `json:"clock"` // s: what it measures is said where it is used
	Term  float64 `json:"term"`  // expected termination, s
}

// Options of an [Index]. All times are in seconds, all loads in multiples of the cores of an
// invoker.
type Options struct {
	// Order of starts: least first. Of Exec the factor is the execution and, of a cold start,
	// ColdWeight times the initialisation; Clock is the time that the request has waited.
	Order Exponents `json:"order"`
	// ColdWeight of an initialisation beside an execution, >= 0.
	ColdWeight float64 `json:"cold_weight"`

	// Long is the expected work from which on a request is a long one, > 0.
	Long float64 `json:"long_s"`
	// LongLimit and ShortLimit are the load of an invoker from which on a request of the
	// class does not start there, > 0. That of the others rises to twice as much over the
	// second half of the time that a request may wait.
	LongLimit  float64 `json:"long_limit"`
	ShortLimit float64 `json:"short_limit"`
	// Release is by how much the limit of long requests has risen when the time-out is near:
	// it grows linearly over the second half of that time. >= 0.
	Release float64 `json:"release"`
	// ReleaseSpare is by how much more it rises for every tenth of the CPU that requests have
	// not asked for in the last half hour: what is held then can be made up for, and what
	// is held under overload cannot. >= 0.
	ReleaseSpare float64 `json:"release_spare"`

	// Kappa says when a function with live containers gets a new one: if
	// waiting * execution > kappa * live * initialisation. >= 0.
	Kappa float64 `json:"kappa"`
	// KappaStarting is how much kappa grows with the share of containers that initialise:
	// times exp(KappaStarting * min(2, 8 * share)), a mean over 30 s.
	KappaStarting float64 `json:"kappa_starting"`
	// KappaEvict multiplies kappa where the start has to evict, > 0.
	KappaEvict float64 `json:"kappa_evict"`
	// EvictLoad is the load that a cold start puts up with rather than to evict, >= 0.
	EvictLoad float64 `json:"evict_load"`

	// Evict is the worth of an idle container: the least goes first. Clock is the time to
	// the next request, for which the mean gap between requests and EvictElapsed times the
	// time since the last one stand, whichever is longer.
	Evict        Exponents `json:"evict"`
	EvictElapsed float64   `json:"evict_elapsed"`
	// EvictIdle is the exponent of the number of idle containers of the function.
	EvictIdle float64 `json:"evict_idle"`

	// Keep is how long an idle container is kept, > 0, times the score of KeepBy and times
	// exp(KeepFree * (f - 1/2)), where f is the share of the invoker's memory that nobody
	// claims. Clock is the mean gap between requests.
	Keep     float64   `json:"keep_s"`
	KeepBy   Exponents `json:"keep_by"`
	KeepFree float64   `json:"keep_free"`

	// Deflate is the load that long requests are held below: they get the CPU that short ones
	// leave of it, the least remaining time first. 0 deflates nothing.
	Deflate float64 `json:"deflate"`
}

// DefaultOptions are what searches found on the training part of the Azure sample, two of them
// (Order.Clock and ReleaseSpare) chosen on its validation part as well (docs/policies.md). Other
// traces start from them.
func DefaultOptions() Options {
	return Options{
		Order:      Exponents{Exec: 0.81, Clock: -0.4},
		ColdWeight: 1.34,
		Long:       15, LongLimit: 1.37, ShortLimit: 5.53, Release: 0, ReleaseSpare: 3,
		Kappa: 0.256, KappaStarting: 0.821, KappaEvict: 3.6, EvictLoad: 1,
		Evict: Exponents{Init: 1.32, Mem: -0.90, Clock: -1}, EvictElapsed: 1.11, EvictIdle: -1.56,
		Keep: 365, KeepBy: Exponents{Init: 0.232}, KeepFree: -0.832,
		Deflate: 1.13,
	}
}

// A Parameter is a number of Options by its name, as a row of a table and as a dimension of a
// search.
type Parameter struct {
	Name      string
	Doc       string  // what it means, with its unit
	Low, High float64 // the range, both included
	Log       bool    // it is searched on a logarithmic scale
	at        func(*Options) *float64
}

// Get returns the value in o.
func (p Parameter) Get(o Options) float64 { return *p.at(&o) }

// Set changes the value in o.
func (p Parameter) Set(o *Options, v float64) { *p.at(o) = v }

// Parameters are all numbers of Options, in the order of its fields.
func Parameters() []Parameter { return parameters }

var parameters = func() []Parameter {
	var out []Parameter
	add := func(name, doc string, low, high float64, log bool, at func(*Options) *float64) {
		out = append(out, Parameter{name, doc, low, high, log, at})
	}
	exponents := func(prefix, doc, clock string, of func(*Options) *Exponents) {
		for _, f := range []struct {
			name, doc string
			at        func(*Exponents) *float64
		}{
			{"exec", "the execution", func(e *Exponents) *float64 { return &e.Exec }},
			{"init", "the initialisation", func(e *Exponents) *float64 { return &e.Init }},
			{"mem", "the memory", func(e *Exponents) *float64 { return &e.Mem }},
			{"cpu", "the CPU", func(e *Exponents) *float64 { return &e.CPU }},
			{"freq", "the rate of requests", func(e *Exponents) *float64 { return &e.Freq }},
			{"clock", clock, func(e *Exponents) *float64 { return &e.Clock }},
			{"term", "the termination", func(e *Exponents) *float64 { return &e.Term }},
		} {
			add(prefix+"_"+f.name, doc+": exponent of "+f.doc, -4, 4, false, func(o *Options) *float64 { return f.at(of(o)) })
		}
	}
	exponents("order", "order of starts, least first", "the time waited", func(o *Options) *Exponents { return &o.Order })
	add("cold_weight", "weight of an initialisation beside an execution", 0, 20, false, func(o *Options) *float64 { return &o.ColdWeight })
	add("long_s", "expected work from which on a request is long, in seconds", 0.1, 1e6, true, func(o *Options) *float64 { return &o.Long })
	add("long_limit", "load from which on long requests are held, in multiples of the cores", 0.1, 1e6, true, func(o *Options) *float64 { return &o.LongLimit })
	add("short_limit", "load from which on others are held, in multiples of the cores", 0.1, 1e6, true, func(o *Options) *float64 { return &o.ShortLimit })
	add("release", "by how much long_limit has risen when the time-out is near", 0, 100, false, func(o *Options) *float64 { return &o.Release })
	add("release_spare", "by how much more for every tenth of the CPU that was not asked for in the last half hour", 0, 100, false, func(o *Options) *float64 { return &o.ReleaseSpare })
	add("kappa", "a new container if waiting * execution > kappa * live * initialisation", 0, 100, false, func(o *Options) *float64 { return &o.Kappa })
	add("kappa_starting", "growth of kappa with the share of containers that initialise", -10, 10, false, func(o *Options) *float64 { return &o.KappaStarting })
	add("kappa_evict", "multiplies kappa where the start has to evict", 0.01, 1000, true, func(o *Options) *float64 { return &o.KappaEvict })
	add("evict_load", "load that a cold start puts up with rather than to evict, in multiples of the cores", 0, 100, false, func(o *Options) *float64 { return &o.EvictLoad })
	exponents("evict", "worth of an idle container", "the time to the next request", func(o *Options) *Exponents { return &o.Evict })
	add("evict_elapsed", "weight of the time since the last request in that to the next one", 0, 100, false, func(o *Options) *float64 { return &o.EvictElapsed })
	add("evict_idle", "worth of an idle container: exponent of the number of idle ones", -10, 10, false, func(o *Options) *float64 { return &o.EvictIdle })
	add("keep_s", "how long an idle container is kept, in seconds", 0.1, 1e7, true, func(o *Options) *float64 { return &o.Keep })
	exponents("keep", "keep-alive", "the mean gap between requests", func(o *Options) *Exponents { return &o.KeepBy })
	add("keep_free", "growth of the keep-alive with the share of memory that is free", -20, 20, false, func(o *Options) *float64 { return &o.KeepFree })
	add("deflate", "load that running long requests are held below, in multiples of the cores; 0: none is deflated", 0, 1e6, false, func(o *Options) *float64 { return &o.Deflate })
	return out
}()

// Validate reports the first number that is out of range.
func (o Options) Validate() error {
	for _, p := range parameters {
		if v := p.Get(o); !(v >= p.Low && v <= p.High) || math.IsNaN(v) {
			return fmt.Errorf("index: %s must be a number in [%g, %g], got %g", p.Name, p.Low, p.High, v)
		}
	}
	return nil
}
