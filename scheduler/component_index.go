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
	name: "index",
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
		for range 4 {
			c := GoldenIndex{
				Factors: index.Factors{Exec: draw(), Init: draw(), Mem: draw(), CPU: draw(), Freq: draw(), Term: draw()},
				Clock:   draw(), Idle: 1 + in.src.IntN(5), Free: in.src.Float64(),
			}
			c.Want = m.Index.scores(&c)
			g.Index = append(g.Index, c)
		}
		return nil
	},
	replay: func(m *Models, g *Golden) error {
		if (m.Index == nil) != (len(g.Index) == 0) {
			return fmt.Errorf("%s: %d golden cases of %s, which is there: %t", GoldenFile, len(g.Index), IndexFile, m.Index != nil)
		}
		for i := range g.Index {
			c := &g.Index[i]
			for k, got := range m.Index.scores(c) {
				if !near(got, c.Want[k]) {
					return fmt.Errorf("%s: score %d of case %d of %s is %g, expected %g", GoldenFile, k, i, IndexFile, got, c.Want[k])
				}
			}
		}
		return nil
	},
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
