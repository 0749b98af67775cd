package policy

import (
	"math"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// RainbowCakeOptions are the parameters of [RainbowCake].
type RainbowCakeOptions struct {
	Quantile float64 // of the time to the next arrival that a layer is kept for, in (0, 1)
	Alpha    float64 // weight of start-up time against memory, in (0, 1)
	Literal  bool    // the bounds of the keep-alive are applied in the order of the authors' code

	LanguageMemory, BareMemory int64   // bytes of these layers, > 0
	UserPart, LanguagePart     float64 // of an initialisation that these layers take; >= 0, together <= 1
}

// DefaultRainbowCakeOptions are the authors' quantile and weight. What the layers hold and
// take is measured for each function there, and in no public trace; here it is assumed to be
// 64 and 8 MB, and three, three and four tenths of an initialisation.
func DefaultRainbowCakeOptions() RainbowCakeOptions {
	return RainbowCakeOptions{
		Quantile: 0.8, Alpha: 0.996,
		LanguageMemory: 64 << 20, BareMemory: 8 << 20,
		UserPart: 0.3, LanguagePart: 0.3,
	}
}

// From the authors' code.
const (
	cakeHistory = 6                       // arrivals that the mean is over
	cakeSpan    = 24 * 60 * decide.Minute // that they may lie back
	cakeLeast   = 60 * decide.Second      // that a layer is kept
	cakeDefault = 600 * decide.Second     // that it is kept before any arrival
)

// RainbowCake is the layered keep-alive of Yu et al., "RainbowCake: Mitigating Cold-starts in
// Serverless with Layer-wise Container Caching and Sharing" (ASPLOS 2024). A container has
// three layers: bare, without a runtime; language, with it; user, with the function. When the
// keep-alive of a layer is over the container is taken down to the one below, which holds
// less memory and is shared: a container of any function of the language can be built on a language
// layer, of any function at all on a bare one, at a part of the start cost.
//
// A layer is kept for
//
//	alive = -ln(1 - q) * mean time between arrivals
//	beta  = alpha T / ((1 - alpha) M)
//	ttl   = min(max(alive, 60 s), max(beta, 60 s))
//
// in whole seconds, with T the seconds that the layer takes to start and M its MB: alive is the
// quantile q of an exponential gap, over the last six arrivals within a day of the
// function, of its language, or of all; beta is the time after which its memory costs more than
// the start. The authors' code tests the lower bound first, so that the ttl is 60 s for
// alive < 60 s, and beta, however small, for more than that; Literal does the same.
//
// A request starts in a container of its function, else on a language layer, else on a bare
// one, else in a new container, in the order of [FCFS]; a layer is used where its invoker has the memory
// free that the layers above need. Under pressure for memory the container goes first that has been
// unused, or on its layer, the longest, which the paper leaves to OpenWhisk. The start on a layer counts as a
// cold one, at its smaller cost.
//
// Not modelled is prewarming, which the code does at the same quantile; layers come from
// what was used. No public trace says what functions are written in: package sim draws a language
// for each application. Taking layers down costs no time.
func RainbowCake(profiles []decide.Profile, o RainbowCakeOptions) Stack {
	p := &rainbowCake{LRU: LRU{}, opts: o, functions: len(profiles)}
	n := int32(0)
	for _, f := range profiles {
		n = max(n, f.Language+1)
	}
	// The last language stands for the bare layers.
	p.start, p.history = make([]float64, n+1), make([]recency, len(profiles)+int(n)+1)
	count := make([]float64, n+1)
	for _, f := range profiles {
		for _, l := range []int32{f.Language, n} {
			p.start[l] += f.Initialise.Seconds()
			count[l]++
		}
	}
	for l := range n + 1 {
		p.start[l] /= max(1, count[l])
		layer := decide.Layer{Language: l, Memory: o.LanguageMemory, Start: o.UserPart}
		if l == n {
			layer = decide.Layer{Language: decide.None, Memory: o.BareMemory, Start: o.UserPart + o.LanguagePart}
		}
		p.layers = append(p.layers, layer)
	}
	return Stack{Dispatcher: onLayers{p}, Pool: p, Placer: LeastLoaded{}}
}

// rainbowCake is the pool of [RainbowCake].
type rainbowCake struct {
	LRU
	opts      RainbowCakeOptions
	functions int
	layers    []decide.Layer // of the languages, and the bare one
	start     []float64      // mean initialisation in seconds, by language, and of all
	history   []recency      // by number of a function or layer
}

// recency is the last arrivals.
type recency struct {
	at [cakeHistory]decide.Time
	n  int64
}

func (r *recency) add(at decide.Time) {
	r.at[r.n%cakeHistory] = at
	r.n++
}

// gap is the mean time between the arrivals within a day, up to now; false if there were none.
func (r *recency) gap(now decide.Time) (decide.Time, bool) {
	for k := min(r.n, cakeHistory); k > 0; k-- {
		if first := r.at[(r.n-k)%cakeHistory]; now-first <= cakeSpan {
			return (now - first) / decide.Time(k), true
		}
	}
	return 0, false
}

// layer is the number, after those of the functions that there are at first, of layer k.
func (p *rainbowCake) layer(k int) decide.FunctionID { return decide.FunctionID(p.functions + k) }

// bare is the number of the bare layer among the layers.
func (p *rainbowCake) bare() int { return len(p.layers) - 1 }

// kind is which of the layers f is, less than 0 for a function.
func (p *rainbowCake) kind(f decide.FunctionID) int {
	if k := int(f) - p.functions; k < len(p.layers) {
		return k
	}
	return decide.None
}

// language is the layer of f's language; the bare one where there is none: layers are those of the languages
// that there are at first.
func (p *rainbowCake) language(s decide.Snapshot, f decide.FunctionID) int {
	return min(int(s.Language(f)), p.bare())
}

// Deployed implements decide.Deployer.
func (p *rainbowCake) Deployed(_ decide.Snapshot, f decide.FunctionID, _ decide.Profile) {
	p.history = upTo(p.history, f+1, recency{})
}

// Layers implements decide.LayeredPool.
func (p *rainbowCake) Layers() []decide.Layer { return p.layers }

// Observe implements decide.Pool.
func (p *rainbowCake) Observe(s decide.Snapshot, ev decide.Event) {
	if ev.Kind != decide.Arrival {
		return
	}
	p.history[ev.Function].add(ev.At)
	if k := p.language(s, ev.Function); k != p.bare() {
		p.history[p.layer(k)].add(ev.At)
	}
	p.history[p.layer(p.bare())].add(ev.At)
}

// KeepAlive implements decide.Pool.
func (p *rainbowCake) KeepAlive(s decide.Snapshot, c decide.ContainerID) decide.Time {
	f := s.Function(c)
	gap, known := p.history[f].gap(s.Now())
	if !known {
		return cakeDefault
	}
	start := p.opts.UserPart * s.Initialise(f).Seconds()
	switch k := p.kind(f); {
	case k == p.bare():
		start = (1 - p.opts.UserPart - p.opts.LanguagePart) * p.start[k]
	case k >= 0:
		start = p.opts.LanguagePart * p.start[k]
	}
	return p.ttl(gap, start, s.Memory(f))
}

// ttl is how long a layer is kept that takes start seconds and memory bytes.
func (p *rainbowCake) ttl(gap decide.Time, start float64, memory int64) decide.Time {
	seconds := func(x float64) decide.Time { return decide.Time(math.Ceil(x)) * decide.Second }
	alive := seconds(-math.Log1p(-p.opts.Quantile) * gap.Seconds())
	beta := seconds(p.opts.Alpha * start / ((1 - p.opts.Alpha) * float64(memory) / (1 << 20)))
	switch {
	case !p.opts.Literal:
		return min(max(alive, cakeLeast), max(beta, cakeLeast))
	case alive < cakeLeast:
		return cakeLeast
	}
	return min(alive, beta)
}

// Downgrade implements decide.LayeredPool: to the language, or, from there or where that is
// larger than the function, to the bare layer.
func (p *rainbowCake) Downgrade(s decide.Snapshot, c decide.ContainerID) decide.FunctionID {
	f := s.Function(c)
	below := p.bare()
	switch k := p.kind(f); {
	case k == below:
		return decide.None
	case k < 0 && p.opts.LanguageMemory <= s.Memory(f):
		below = p.language(s, f)
	}
	if p.layers[below].Memory > s.Memory(f) {
		return decide.None
	}
	return p.layer(below)
}

// onLayers is the dispatcher of [RainbowCake].
type onLayers struct{ pool *rainbowCake }

// Next implements decide.Dispatcher.
func (d onLayers) Next(s decide.Snapshot, ev decide.Event) (decide.Start, bool) {
	st, ok := FCFS{}.Next(s, ev)
	oldest := s.OldestAll()
	if oldest == decide.None || ok && st.Container != decide.None {
		return st, ok
	}
	f, _ := s.Request(oldest)
	if s.FirstWarm(f) != decide.None {
		return st, ok
	}
	for _, k := range []int{d.pool.language(s, f), d.pool.bare()} {
		for c := s.FirstWarm(d.pool.layer(k)); c != decide.None; c = s.NextWarm(c) {
			if s.CanUpgrade(c, f) {
				return decide.Start{Request: oldest, Container: c}, true
			}
		}
	}
	return st, ok
}

var rainbowcakeRow = row(Row{Name: "rainbowcake", Source: "Yu et al., RainbowCake, ASPLOS 2024: containers are taken down by layers, which other functions can start on"}, DefaultRainbowCakeOptions(), []field[RainbowCakeOptions]{
	number("quantile", "of the time to the next arrival that a layer is kept for", 0.01, 0.9999, func(o *RainbowCakeOptions) *float64 { return &o.Quantile }),
	number("alpha", "weight of start-up time against memory", 0.5, 0.99999, func(o *RainbowCakeOptions) *float64 { return &o.Alpha }),
	onOff("literal", "1: the bounds of the keep-alive as in the authors' code; 0: the greater of each and a minute", func(o *RainbowCakeOptions) *bool { return &o.Literal }),
	megabytes("language_mb", "memory of a language layer, in units of 2^20 bytes", 1, 1024, func(o *RainbowCakeOptions) *int64 { return &o.LanguageMemory }),
	megabytes("bare_mb", "memory of a bare layer, in units of 2^20 bytes", 1, 1024, func(o *RainbowCakeOptions) *int64 { return &o.BareMemory }),
	number("user_part", "part of an initialisation that the user layer takes", 0, 0.5, func(o *RainbowCakeOptions) *float64 { return &o.UserPart }),
	number("language_part", "part of an initialisation that the language layer takes", 0, 0.5, func(o *RainbowCakeOptions) *float64 { return &o.LanguagePart }),
}, func(s Site, o RainbowCakeOptions) Stack {
	return RainbowCake(s.Profiles, o)
})
