package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/internal/null"
	"github.com/incendio-faas/incendio/metric"
	"github.com/incendio-faas/incendio/scheduler/sim"
)

// File is the name under which a run stores its [Data].
const File = "report.json"

// Values are numbers of which some may be missing, as in [null.Float].
type Values []float64

// MarshalJSON implements json.Marshaler.
func (v Values) MarshalJSON() ([]byte, error) {
	if v == nil {
		return []byte("null"), nil
	}
	out := append(make([]byte, 0, 8*len(v)+2), '[')
	for i, x := range v {
		if i > 0 {
			out = append(out, ',')
		}
		if finite(x) {
			out = strconv.AppendFloat(out, x, 'g', -1, 64)
		} else {
			out = append(out, "null"...)
		}
	}
	return append(out, ']'), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Values) UnmarshalJSON(b []byte) error {
	var raw []null.Float
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if raw == nil {
		*v = nil
		return nil
	}
	*v = make(Values, len(raw))
	for i, x := range raw {
		(*v)[i] = float64(x)
	}
	return nil
}

// Data is the content of a report.
type Data struct {
	Title   string    `json:"title"`
	Run     string    `json:"run"`     // the id of the run
	Program string    `json:"program"` // name and version of the program
	Seed    uint64    `json:"seed"`
	AsOf    time.Time `json:"as_of,omitzero"` // the time the run was told it is
	Page    string    `json:"page,omitempty"` // the path of the HTML file

	Verdict *Verdict `json:"verdict,omitempty"`
	Trace   *Trace   `json:"trace,omitempty"`
	Stages  []Stage  `json:"stages,omitempty"` // in the order in which they ran
	Bundle  *Bundle  `json:"bundle,omitempty"`
	Notes   []string `json:"notes,omitempty"` // warnings and remarks, each a sentence

	Decomposition  *Decomposition  `json:"decomposition,omitempty"`
	Forecast       *Forecast       `json:"forecast,omitempty"`
	ForecastScores *ForecastScores `json:"forecast_scores,omitempty"`
	Importance     *Importance     `json:"importance,omitempty"`
	Priority       *Priority       `json:"priority,omitempty"`
	Agents         *Agents         `json:"agents,omitempty"`
	Policies       *Policies       `json:"policies,omitempty"`

	// Absent says why a section is nil. The keys are the JSON names of the sections:
	// verdict, trace, stages, bundle, decomposition, forecast, forecast_scores,
	// importance, priority, agents, policies.
	Absent map[string]string `json:"absent,omitempty"`

	// Sections are the sections that the page has, by their JSON names; nil: all of them.
	Sections []string `json:"sections,omitempty"`

	Timing *Timing `json:"timing,omitempty"`
}

// The verdicts on a candidate bundle. Any other word is shown as it is.
const (
	Accepted = "accepted"
	Refused  = "refused"
)

// A Verdict is the answer of the gates to a candidate bundle.
type Verdict struct {
	Verdict  string `json:"verdict"`
	Reason   string `json:"reason,omitempty"`   // a sentence or two
	Champion string `json:"champion,omitempty"` // digest of the bundle it was compared with
	Rules    []Rule `json:"rules"`
}

// A Rule is one gate. Bound and Champion are [null.Missing] where there is none.
type Rule struct {
	Rule     string     `json:"rule"`
	Value    null.Float `json:"value"`
	Bound    null.Float `json:"bound"`
	Champion null.Float `json:"champion"`
	OK       bool       `json:"ok"`
	Text     string     `json:"text,omitempty"` // what the rule asks, in words
	// Change beside the champion's, of the figures that are compared with it; else nil.
	Change *Change `json:"change,omitempty"`
}

// A Change is that of a figure beside the champion's: a share of it, of a share the difference.
type Change struct {
	Value  null.Float    `json:"value"`
	Bounds [2]null.Float `json:"bounds"` // which hold it with 95 % each
	Margin null.Float    `json:"margin"` // what matters
	Result string        `json:"result"` // better, worse, noninferior or tie
}

// A Trace describes what the run was trained and judged on.
type Trace struct {
	Name        string     `json:"name"`
	Format      string     `json:"format"`
	Digest      string     `json:"digest,omitempty"`
	Functions   int        `json:"functions"`
	Invocations int64      `json:"invocations"`
	Days        null.Float `json:"days"` // the observed span, fractions allowed
	Start       time.Time  `json:"start"`
	Windows     []Window   `json:"windows,omitempty"` // the split, in order of time

	Quarantined int64            `json:"quarantined"`       // rejected rows
	Reasons     map[string]int64 `json:"reasons,omitempty"` // of the rejections
	Notes       []string         `json:"notes,omitempty"`   // on units and assumptions
}

// A Window is a part of the trace: [From, To).
type Window struct {
	Name        string    `json:"name"` // train, valid, test
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	Invocations int64     `json:"invocations,omitempty"`
}

// A Stage is one step of the run and what it made.
type Stage struct {
	Name    string `json:"name"`
	Rows    int64  `json:"rows"`              // rows written; 0 where rows are not what it makes
	Outputs string `json:"outputs,omitempty"` // what it made, in words
	Cached  bool   `json:"cached,omitempty"`  // its outputs were up to date
}

// A Bundle says where the models lie.
type Bundle struct {
	Path   string `json:"path"`
	Digest string `json:"digest"` // of the manifest, "sha256:…"
	Files  int    `json:"files,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
}

// A Decomposition shows how the additive model explains one function's invocations:
//
//	observed = trend + sum of components + residual
//
// Times are in order; Observed, Trend and every component have one value per time,
// in Unit.
type Decomposition struct {
	Function   string      `json:"function"`
	Unit       string      `json:"unit,omitempty"` // default "invocations/min"
	Times      []time.Time `json:"times"`
	Observed   Values      `json:"observed"`
	Trend      Values      `json:"trend"`
	Components []Component `json:"components"`

	// Missing names the terms that were not fitted and says why, in a sentence.
	Missing string `json:"missing,omitempty"`
}

// A Component is one additive term: daily, weekly, holiday, or the name of a regressor.
type Component struct {
	Name   string     `json:"name"`
	Values Values     `json:"values"`
	MaxAbs null.Float `json:"max_abs"` // largest absolute effect; computed from Values if 0
}

// A Forecast is a forecast of one function beside what happened.
// All slices have one value per time.
type Forecast struct {
	Function string      `json:"function"`
	Unit     string      `json:"unit,omitempty"` // default "invocations/min"
	Times    []time.Time `json:"times"`
	Actual   Values      `json:"actual"`
	Mean     Values      `json:"mean"`
	Lower    Values      `json:"lower"`
	Upper    Values      `json:"upper"`
	Level    null.Float  `json:"level"` // nominal coverage of [Lower, Upper], in (0, 1)
}

// ForecastScores compares forecasters, as `backtest --json` prints them.
type ForecastScores struct {
	Trace      string          `json:"trace,omitempty"`
	HorizonMin int             `json:"horizon_min"`
	Cutoffs    int             `json:"cutoffs,omitempty"` // the number of rolling origins
	Models     []ForecastScore `json:"models"`
}

// A ForecastScore is one row: a model in a scope.
type ForecastScore struct {
	Name  string `json:"name"`
	Scope string `json:"scope"` // total, pooled, median_function
	metric.Scores
	Coverage90 null.Float `json:"coverage_90"` // of the 90 % interval, in [0, 1]
}

// Importance is the total gain of each feature over all splits of the trees.
type Importance struct {
	Model    string    `json:"model,omitempty"`
	Features []Feature `json:"features"`
}

// A Feature is one column of the trees' input.
type Feature struct {
	Feature string     `json:"feature"`
	Gain    null.Float `json:"gain"`             // >= 0
	Splits  int        `json:"splits,omitempty"` // how often the trees ask for it
}

// Priority is the tuned priority of the functions.
type Priority struct {
	Mode     string     `json:"mode"` // linear, log_linear, or the rule that took its place
	Features []Screened `json:"features"`
	Trials   int        `json:"trials,omitempty"` // of the weight search
	Note     string     `json:"note,omitempty"`
}

// Screened is one feature of the priority with its Spearman rank correlation with the
// latency.
type Screened struct {
	Feature  string     `json:"feature"`
	Spearman null.Float `json:"spearman"` // in [-1, 1]
	Kept     bool       `json:"kept"`
	Weight   null.Float `json:"weight"` // null.Missing where the feature was screened out
}

// Agents are the deep-Q agents, one per cluster of environments.
type Agents struct {
	Rule     string    `json:"rule,omitempty"`   // how an agent is chosen, in words
	Reward   string    `json:"reward,omitempty"` // what a return is, in words
	Clusters []Cluster `json:"clusters"`
}

// A Cluster is one agent's training and its comparison on the validation windows.
// Agent, BestRule and Random are mean returns: higher is better.
type Cluster struct {
	Cluster      string     `json:"cluster"`
	Runs         []Run      `json:"runs"` // one per seed
	Agent        null.Float `json:"agent"`
	BestRule     null.Float `json:"best_rule"`
	BestRuleName string     `json:"best_rule_name,omitempty"`
	Random       null.Float `json:"random"`
	Won          bool       `json:"won"` // the agent is in the bundle
}

// AllEnvironments is the name of the row on all clusters together, whose agent serves
// the environments that no cluster is like.
const AllEnvironments = "global"

// won counts the clusters that were judged and those of them that an agent won.
func (a *Agents) won() (won, judged int) {
	for _, c := range a.Clusters {
		if c.Cluster == AllEnvironments || !c.Agent.Known() {
			continue
		}
		judged++
		if c.Won {
			won++
		}
	}
	return won, judged
}

// A Run is one training of an agent.
type Run struct {
	Seed     uint64 `json:"seed"`
	Episode  Values `json:"episode"` // x of Return; 1, 2, … if nil
	Return   Values `json:"return"`
	LossStep Values `json:"loss_step"` // x of Loss, gradient steps; 1, 2, … if nil
	Loss     Values `json:"loss"`      // the temporal-difference loss, >= 0
}

// Policies are the replays of the trace, as `simulate --json` prints them.
type Policies struct {
	Trace    string     `json:"trace,omitempty"`
	Window   string     `json:"window,omitempty"`
	Requests int64      `json:"requests"`
	Seed     uint64     `json:"seed"`
	Load     null.Float `json:"load,omitempty"` // offered core-seconds / (cores x span)
	Machine  *Machine   `json:"cluster,omitempty"`
	Policies []Policy   `json:"policies"`

	// FirstMinute is where LiveGB of a policy begins, and StepMinutes how far its values
	// are apart; 0 is 1.
	FirstMinute int `json:"first_minute,omitempty"`
	StepMinutes int `json:"step_minutes,omitempty"`
}

// A Machine is the simulated cluster. Cores and memory are per invoker.
type Machine struct {
	Invokers int `json:"invokers"`
	Cores    int `json:"cores"`
	MemoryMB int `json:"memory_mb"`
}

// The kinds of a policy's row.
const (
	Simulated = ""            // replayed
	Bound     = sim.KindBound // proved, not simulated: only its mean latency is shown
	Oracle    = "oracle"      // simulated with knowledge of the future
)

// A Policy is one row of figures; GB are 2^30 bytes.
type Policy struct {
	Name string `json:"name"`
	Kind string `json:"kind,omitempty"`
	sim.Summary

	// CDF is the distribution of the latency. A hundred points or so, closer in the
	// tail, draw well.
	CDF []CDFPoint `json:"cdf,omitempty"`
	// SLOCurve has the shares of the requests that were served within waits, ascending.
	SLOCurve []SLOPoint `json:"slo_curve,omitempty"`
	// LiveGB is the memory of all containers over time, in steps of Policies.StepMinutes.
	LiveGB Values `json:"live_gb,omitempty"`
}

// An SLOPoint says which shares of the requests waited no longer than this to be
// dispatched, and to execute.
type SLOPoint struct {
	WaitMS     null.Float `json:"wait_ms"`
	Dispatched null.Float `json:"dispatched"` // in [0, 1]
	Executing  null.Float `json:"executing"`  // in [0, 1]
}

// A CDFPoint says that the share of the requests had at most this latency.
type CDFPoint struct {
	LatencyMS null.Float `json:"latency_ms"`
	Share     null.Float `json:"share"` // in [0, 1]
}

// Timing is all that depends on the clock and the machine.
type Timing struct {
	Started  time.Time             `json:"started,omitzero"`
	TotalS   null.Float            `json:"total_s,omitempty"`
	Workers  int                   `json:"workers,omitempty"`
	StagesS  map[string]null.Float `json:"stages_s,omitempty"`    // by stage name
	Decision map[string]Delay      `json:"decision_us,omitempty"` // by policy name
}

// A Delay is the time of one decision, in microseconds.
type Delay struct {
	P50 null.Float `json:"p50"`
	P99 null.Float `json:"p99"`
}

// numbers are the arrays of numbers and times, which Encode keeps on one line; indent is
// what breaks them. No string holds a line break in JSON, so none is changed.
var (
	numbers = regexp.MustCompile(`\[\n[-+0-9.eE,\snulTZ:"]*\]`)
	indent  = regexp.MustCompile(`\n *`)
)

// Encode writes d as indented JSON. Equal Data give equal bytes.
func Encode(w io.Writer, d *Data) error {
	b, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	b = numbers.ReplaceAllFunc(b, func(list []byte) []byte { return indent.ReplaceAll(list, nil) })
	if _, err := w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// Decode reads what [Encode] wrote. An unknown key, a value of another type and text
// after the object are errors that name the place.
func Decode(r io.Reader) (*Data, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	d := new(Data)
	if err := dec.Decode(d); err != nil {
		return nil, fmt.Errorf("decode report: line %d: %w", line(b, dec, err), err)
	}
	at := dec.InputOffset()
	if rest := bytes.TrimSpace(b[at:]); len(rest) > 0 {
		return nil, fmt.Errorf("decode report: line %d: text after the object, expected the end of the file", 1+bytes.Count(b[:at], []byte("\n")))
	}
	return d, nil
}

// line is the line of b where err arose, from 1.
func line(b []byte, dec *json.Decoder, err error) int {
	at := dec.InputOffset()
	if e := (*json.SyntaxError)(nil); errors.As(err, &e) {
		at = e.Offset
	} else if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) {
		at = e.Offset
	} else if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		at = int64(max(0, bytes.Index(b, []byte(name)))) // the decoder does not tell where
	}
	return 1 + bytes.Count(b[:min(at, int64(len(b)))], []byte("\n"))
}

// sections are the keys of Data.Absent with their headings, in the order of the page.
var sections = []struct{ key, heading string }{
	{"verdict", "Verdict"},
	{"trace", "Trace"},
	{"stages", "Stages"},
	{"policies", "Policies"},
	{"decomposition", "Decomposition"},
	{"forecast", "Forecast"},
	{"forecast_scores", "Forecast scores"},
	{"importance", "Tree importance"},
	{"priority", "Priority"},
	{"agents", "Agents"},
	{"bundle", "Bundle"},
}

// absent is the line that stands for a section that is nil.
func (d *Data) absent(key string) string {
	if why := strings.TrimSpace(d.Absent[key]); why != "" {
		return why
	}
	return "this run did not make it"
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// policy returns the row named name, nil if there is none.
func (p *Policies) policy(name string) *Policy {
	if p == nil {
		return nil
	}
	i := slices.IndexFunc(p.Policies, func(q Policy) bool { return q.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Policies[i]
}

// requests is the number of requests of a simulated row.
func (p *Policy) requests() int64 { return p.Warm + p.Cold + p.DelayedWarm + p.Dropped }

// coldShare is the share of cold starts, NaN where nothing was replayed.
func (p *Policy) coldShare() float64 {
	n := p.requests()
	if n == 0 || p.Kind == Bound {
		return math.NaN()
	}
	return float64(p.Cold) / float64(n)
}
