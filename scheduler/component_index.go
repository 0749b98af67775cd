package scheduler

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/envelope"
	"github.com/incendio-faas/incendio/scheduler/index"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// IndexFile of a bundle has the numbers of the index, and whether the stack "incendio" runs it.
const IndexFile = "index.json"

// IndexSettings is the content of IndexFile.
type IndexSettings struct {
	Options index.Options `json:"options"`
	// Envelope in which it runs.
	Envelope envelope.Options `json:"envelope"`
	// Used: it was better than the priorities, the agents and the pool on the validation part.
	// Where it is used they are not.
	Used bool `json:"used"`
}

// indexComponent is the index; a bundle may lack it.
var indexComponent = component{
	name:  "index",
	since: goldenVersion,
	load: func(m *Models, files readFile) error {
		var s IndexSettings
		err := decodeFile(files, IndexFile, &s)
		if errors.Is(err, bundle.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		m.Index = &s
		return err
	},
	files: func(m *Models, out map[string][]byte) error {
		if m.Index == nil {
			return nil
		}
		return encodeFile(out, IndexFile, m.Index)
	},
	check: func(m *Models) error {
		if m.Index == nil {
			return nil
		}
		if err := errors.Join(m.Index.Options.Validate(), m.Index.Envelope.Validate()); err != nil {
			return fmt.Errorf("%s: %w", IndexFile, err)
		}
		return nil
	},
	golden: func(m *Models, in goldenInput, g *Golden) error {
		if m.Index == nil {
			return nil
		}
		draw := func() float64 { return math.Exp(8*in.src.Float64() - 4) }
		g.Indexes = &GoldenIndexes{Used: m.Index.Used, Values: m.Index.values()}
		for range goldenScores {
			c := GoldenIndex{
				Factors: index.Factors{Exec: draw(), Init: draw(), Mem: draw(), CPU: draw(), Freq: draw(), Term: draw()},
				Clock:   draw(), Idle: 1 + in.src.IntN(5), Free: in.src.Float64(),
			}
			c.Want = m.Index.scores(&c)
			g.Indexes.Scores = append(g.Indexes.Scores, c)
		}
		return nil
	},
	replay: func(m *Models, g *Golden) error {
		if (m.Index == nil) != (g.Indexes == nil) {
			return fmt.Errorf("%s: golden cases of %s: %t, which is there: %t", GoldenFile, IndexFile, g.Indexes != nil, m.Index != nil)
		}
		if m.Index == nil {
			return nil
		}
		if m.Index.Used != g.Indexes.Used || len(g.Indexes.Scores) < goldenScores {
			return fmt.Errorf("%s: %s is used: %t, with %d scores, expected %t and %d", GoldenFile, IndexFile, m.Index.Used, len(g.Indexes.Scores), g.Indexes.Used, goldenScores)
		}
		for i := range g.Indexes.Scores {
			c := &g.Indexes.Scores[i]
			for k, got := range m.Index.scores(c) {
				if !same(got, c.Want[k]) {
					return fmt.Errorf("%s: score %d of case %d of %s is %g, expected %g", GoldenFile, k, i, IndexFile, got, c.Want[k])
				}
			}
		}
		return sameValues(IndexFile, m.Index.values(), g.Indexes.Values)
	},
}

// goldenScores is the number of cases of scores.
const goldenScores = 8

// GoldenIndexes is what IndexFile comes to.
type GoldenIndexes struct {
	Used   bool          `json:"used"`
	Scores []GoldenIndex `json:"scores"`
	Values []GoldenValue `json:"values"`
}

// values are the numbers of the index and of its envelope that requests, containers and loads
// are compared with.
func (s *IndexSettings) values() []GoldenValue {
	var out []GoldenValue
	for _, p := range index.Parameters() {
		out = append(out, GoldenValue{p.Name, p.Get(s.Options)})
	}
	e := &s.Envelope
	return append(out,
		GoldenValue{"requests to those under native that count against it", e.Ratio}, GoldenValue{"requests more than under native for a core", e.Excess},
		GoldenValue{"seconds of a window", e.Window}, GoldenValue{"seconds until native takes over", e.Window * float64(e.Windows)},
		GoldenValue{"seconds until it gives back", e.Window * float64(e.Hold)})
}

// A GoldenIndex is what the index says of the factors of a function.
type GoldenIndex struct {
	Factors index.Factors `json:"factors"`
	Clock   float64       `json:"clock"` // s: waited, to the next request, and between requests
	Idle    int           `json:"idle"`
	Free    float64       `json:"free"`
	Want    [4]float64    `json:"want"` // scores of a warm and of a cold start, worth, keep-alive in s
}

func (s *IndexSettings) scores(c *GoldenIndex) [4]float64 {
	o := &s.Options
	return [4]float64{
		o.StartScore(c.Factors, c.Clock, false), o.StartScore(c.Factors, c.Clock, true), o.Worth(c.Factors, c.Clock, c.Idle), o.KeepFor(c.Factors, c.Clock, c.Free),
	}
}

// indexed composes the stack of an index in its envelope.
func indexed(s IndexSettings, rate []float64) (Stack, error) {
	x, err := index.New(s.Options, rate)
	if err != nil {
		return Stack{}, err
	}
	native := policy.Native(policy.NativeKeepAlive)
	e, err := envelope.New(
		envelope.Choices{Dispatcher: x, Pool: x, Placer: x},
		envelope.Choices{Dispatcher: native.Dispatcher, Pool: native.Pool, Placer: native.Placer}, s.Envelope)
	if err != nil {
		return Stack{}, err
	}
	return Stack{Name: IncendioName, Dispatcher: e, Pool: e, Placer: e}, nil
}

// indexWithoutScheduler keeps and evicts as the index does; requests start in order of arrival,
// and nothing is deflated.
func indexWithoutScheduler(s IndexSettings, rate []float64) (Stack, error) {
	x, err := index.New(s.Options, rate)
	return Stack{Name: WithoutScheduler, Dispatcher: policy.FCFS{}, Pool: still{x}, Placer: policy.LeastLoaded{}}, err
}

// still is the pool of an index that changes nothing that executes.
type still struct{ *index.Index }

func (still) Adjust(decide.Snapshot) (decide.Adjustment, bool) { return decide.Adjustment{}, false }

// indexWithoutPredictor starts, places and shares as the index does; containers are kept and
// evicted as native does.
func indexWithoutPredictor(s IndexSettings, rate []float64) (Stack, error) {
	x, err := index.New(s.Options, rate)
	return Stack{Name: WithoutPredictor, Dispatcher: x, Pool: nativelyKept{x, policy.LRU{Keep: policy.NativeKeepAlive}}, Placer: x}, err
}

// nativelyKept is the pool of an index with native's choice of what is kept.
type nativelyKept struct {
	*index.Index
	lru policy.LRU
}

func (p nativelyKept) KeepAlive(s decide.Snapshot, c decide.ContainerID) decide.Time {
	return p.lru.KeepAlive(s, c)
}

func (p nativelyKept) Evict(s decide.Snapshot, i decide.InvokerID, f decide.FunctionID, prewarm bool) (decide.ContainerID, bool) {
	return p.lru.Evict(s, i, f, prewarm)
}

// Envelope is how the stack compares with native, where it runs in an envelope.
func (s *Scheduler) Envelope() (envelope.Status, bool) {
	if e, ok := s.stack.Pool.(*envelope.Envelope); ok {
		return e.Status(), true
	}
	return envelope.Status{}, false
}
