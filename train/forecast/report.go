package forecast

import (
	"fmt"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	online "github.com/incendio-faas/incendio/scheduler/forecast"
)

// A Report says how training went.
type Report struct {
	Splits     datasets.Splits      `json:"splits"`
	Classes    map[online.Class]int `json:"classes"` // functions per class
	Clusters   []ClusterReport      `json:"clusters"`
	Rows       []Stratum            `json:"rows"`
	Importance []Importance         `json:"importance"` // over all trees that are used, descending
	Fallbacks  []Fallback           `json:"fallbacks"`  // in order of function; not empty is exit code 3
	Notes      []string             `json:"notes"`      // what whoever reads the figures must know
	Warnings   []error              `json:"-"`

	Frames []Frame `json:"-"` // what the trees were fitted to and judged on
	Timing Timing  `json:"timing"`
}

// Timing has the seconds that the parts of training took.
type Timing struct {
	Decompose float64 `json:"decompose_s"` // Prophet, and the rows of features
	Boost     float64 `json:"boost_s"`
	Total     float64 `json:"total_s"`
}

// A Stratum says which share of the rows of one class of demand was drawn.
type Stratum struct {
	// Below is the mean count of a minute that the functions stay below, and the largest
	// stratum before it does not; 0 of the class above all edges.
	Below     float64 `json:"below,omitempty"`
	Sums      bool    `json:"sums,omitempty"` // sums of functions, which are a stratum of their own
	Series    int     `json:"series"`
	TrainRows int     `json:"train_rows"` // that there are
	ValidRows int     `json:"valid_rows"`
	Train     float64 `json:"train_share"` // in (0, 1]
	Valid     float64 `json:"valid_share"`
}

// A ClusterReport says how the heads of a cluster were chosen.
type ClusterReport struct {
	Name       string             `json:"name"`
	Functions  int                `json:"functions"`
	Centre     map[string]float64 `json:"centre"` // mean of the shapes of its functions
	Rows       int                `json:"rows"`   // of training
	ValidRows  int                `json:"valid_rows"`
	Candidates []Candidate        `json:"candidates"`
}

// A Candidate is a head that was tried. Score is measured on the validation window: of
// the head median the pooled WAPE, of the head mean the Poisson deviance per row,
//
//	mean_i 2 (y_i ln(y_i/m_i) - (y_i - m_i))
//
// both in counts and weighted by the rows that a row stands for; the smallest is chosen.
type Candidate struct {
	Head       string  `json:"head"`                 // median or mean
	Name       string  `json:"name"`                 // objective/link of trees, or "base"
	Iterations int     `json:"iterations,omitempty"` // trees
	Score      float64 `json:"score"`
	Chosen     bool    `json:"chosen"`
}

// An Importance is the share of a column in the gain of all splits.
type Importance struct {
	Column string  `json:"column"`
	Gain   float64 `json:"gain"` // in [0, 1]; they sum to 1
}

// A Fallback is a function that an error or a time limit kept from its class.
type Fallback struct {
	Function online.Key   `json:"function"`
	Class    online.Class `json:"class"` // what it has instead
	Reason   string       `json:"reason"`
}

// A Frame is the rows of one cluster in one window, with what was to be forecast.
type Frame struct {
	Cluster string
	Window  string // train or valid
	Rows    *features.Frame
	Count   []float64 // length rows
}

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func since(t time.Time) float64 { return time.Since(t).Seconds() }
