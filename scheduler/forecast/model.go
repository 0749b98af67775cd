package forecast

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/features"
	"github.com/incendio-faas/incendio/features/interarrival"
	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/internal/strictjson"
)

// FormatVersion is the version of the files that this package reads and writes.
const FormatVersion = 2

// Names of the files of a model, relative to the bundle. The trees of a cluster stand
// beside them, by the name that the cluster gives.
const (
	ModelFile     = "forecast/model.json"
	FunctionsFile = "forecast/functions.json"
	ProphetFile   = "forecast/prophet.json"
)

// A Class says how a function is forecast.
type Class string

// The classes, see the package comment.
const (
	Trees        Class = "trees"
	Interarrival Class = "interarrival"
	Zero         Class = "zero"
)

// A Key names a function independently of the trace that it is met in.
type Key struct {
	Owner string
	App   string
	Name  string
}

// KeyOf returns the key of f.
func KeyOf(f *datasets.Function) Key { return Key{f.Owner, f.App, f.Name} }

// String joins the parts by slashes; a slash or percent sign inside a part is escaped
// as in the path of a URL, so that distinct keys have distinct strings.
func (k Key) String() string {
	return url.PathEscape(k.Owner) + "/" + url.PathEscape(k.App) + "/" + url.PathEscape(k.Name)
}

// Compare orders keys by owner, application and name.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Owner, o.Owner), cmp.Compare(k.App, o.App), cmp.Compare(k.Name, o.Name))
}

// MarshalText implements encoding.TextMarshaler by String.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Key) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), "/")
	if len(parts) != 3 {
		return fmt.Errorf("function key %q: must be owner/app/name", text)
	}
	for i, to := range []*string{&k.Owner, &k.App, &k.Name} {
		part, err := url.PathUnescape(parts[i])
		if err != nil {
			return fmt.Errorf("function key %q: %w", text, err)
		}
		*to = part
	}
	return nil
}

// A Function is what a model knows of one function beside its decomposition.
type Function struct {
	Key   Key   `json:"key"`
	Class Class `json:"class"`

	// Of the class Trees.
	Cluster int `json:"cluster,omitempty"` // number in Model.Clusters
	Keep    int `json:"keep,omitempty"`    // minutes of history that its columns look back on

	IAT *interarrival.Histogram `json:"iat,omitempty"` // of the class Interarrival

	// Fallback says what the function lacks that its history calls for, and why; empty if
	// nothing.
	Fallback string `json:"fallback,omitempty"`
}

// A Link turns the output of trees into a forecast.
type Link string

// The links; b is the base of the row.
const (
	// Stabilised is of trees for the median: the output f is a difference in units of z, see
	// features.Stabilise; the forecast is features.Count(b + f).
	Stabilised Link = "stabilised"
	// Residual is of trees for the mean: the output f is a scaled residual; with c =
	// features.Count(b) the forecast is c + f sqrt(c + 1/4).
	Residual Link = "residual"
)

// A Head forecasts one statistic of the count by an ensemble of trees. Without one it
// is the base of the row.
type Head struct {
	Objective string `json:"objective,omitempty"` // of the trees, e.g. regression_l1
	Link      Link   `json:"link,omitempty"`
	File      string `json:"file,omitempty"` // of the trees

	Trees *Ensemble `json:"-"`
}

// A Cluster has the model of functions with one pattern of arrivals.
type Cluster struct {
	Name        string      `json:"name"`
	Mean        Head        `json:"mean"`
	Median      Head        `json:"median"`
	Calibration Calibration `json:"calibration"`

	// Later forecast further ahead than the next minute, in order of how far.
	Later []Later `json:"later,omitempty"`
}

// MaxAhead is the furthest minute that can be forecast: the last one of a day.
const MaxAhead = datasets.MinutesPerDay

// A Later forecasts one minute that lies further ahead, from a row for that minute.
type Later struct {
	Minutes     int         `json:"minutes"` // ahead, in [2, MaxAhead]; 1 is the next minute
	Median      Head        `json:"median"`
	Calibration Calibration `json:"calibration"` // about the median
	// Bias is the mean of the scaled residuals of each level of the calibration.
	Bias []float64 `json:"bias"`
}

// heads are all of them.
func (c *Cluster) heads() []*Head {
	out := []*Head{&c.Mean, &c.Median}
	for i := range c.Later {
		out = append(out, &c.Later[i].Median)
	}
	return out
}

// A Model is a trained forecaster. It is immutable after Compile and safe for
// concurrent use.
type Model struct {
	Features  features.Spec
	Clusters  []Cluster
	Functions []Function // in order of their keys
	Prophet   map[Key]*prophet.Fitted

	// Totals are sums of functions that are forecast by themselves: all of them, and those of
	// a trigger or of an owner. The name of the key is the scope, see TotalScope; owner and
	// app are empty. They are of the class Trees.
	Totals []Function

	// Validation is the window that chose and calibrated, in minutes of the trace that
	// was learned from; for the reader of a bundle.
	Validation datasets.Window

	columns []string
	byKey   map[Key]int
}

// modelJSON is the layout of ModelFile.
type modelJSON struct {
	Version    int             `json:"version"`
	Features   features.Spec   `json:"features"`
	Columns    []string        `json:"columns"`
	Clusters   []Cluster       `json:"clusters"`
	Totals     []Function      `json:"totals"`
	Validation datasets.Window `json:"validation"`
}

// functionsJSON is the layout of FunctionsFile.
type functionsJSON struct {
	Version   int        `json:"version"`
	Functions []Function `json:"functions"`
}

// Load reads a model: files returns the content of a file by its name, such as
// "forecast/model.json". An unknown member or version, a missing file and any value
// outside its range is an error that names the file.
func Load(files func(name string) ([]byte, error)) (*Model, error) {
	var mj modelJSON
	var fj functionsJSON
	m := &Model{}
	if err := errors.Join(load(files, ModelFile, &mj), load(files, FunctionsFile, &fj), load(files, ProphetFile, &m.Prophet)); err != nil {
		return nil, err
	}
	if err := errors.Join(checkVersion(ModelFile, mj.Version), checkVersion(FunctionsFile, fj.Version)); err != nil {
		return nil, err
	}
	m.Features, m.Clusters, m.Totals, m.Validation = mj.Features, mj.Clusters, mj.Totals, mj.Validation
	m.Functions = fj.Functions
	for i := range m.Clusters {
		c := &m.Clusters[i]
		for _, h := range c.heads() {
			if h.File == "" {
				continue
			}
			text, err := files(h.File)
			if err != nil {
				return nil, fmt.Errorf("forecast: read trees of cluster %q: %w", c.Name, err)
			}
			if h.Trees, err = NewEnsemble(text); err != nil {
				return nil, fmt.Errorf("forecast: %s: %w", h.File, err)
			}
		}
	}
	if err := m.Compile(); err != nil {
		return nil, err
	}
	if !slices.Equal(m.columns, mj.Columns) {
		return nil, fmt.Errorf("forecast: %s: columns are %v, expected %v as the features say", ModelFile, mj.Columns, m.columns)
	}
	return m, nil
}

func checkVersion(name string, version int) error {
	if version != FormatVersion {
		return fmt.Errorf("forecast: %s: version must be %d, got %d", name, FormatVersion, version)
	}
	return nil
}

func load(files func(string) ([]byte, error), name string, to any) error {
	b, err := files(name)
	if err != nil {
		return fmt.Errorf("forecast: read %s: %w", name, err)
	}
	if err := strictjson.Decode(b, to); err != nil {
		return fmt.Errorf("forecast: decode %s: %w", name, err)
	}
	return nil
}

// Files returns the content of a bundle's files by name, as Load reads them. Equal
// models have equal files.
func (m *Model) Files() (map[string][]byte, error) {
	out := map[string][]byte{}
	for i := range m.Clusters {
		for _, h := range m.Clusters[i].heads() {
			if h.Trees != nil {
				out[h.File] = h.Trees.Text()
			}
		}
	}
	fitted := m.Prophet
	if fitted == nil {
		fitted = map[Key]*prophet.Fitted{}
	}
	for name, v := range map[string]any{
		ModelFile:     modelJSON{FormatVersion, m.Features, m.Features.Columns(), m.Clusters, m.Totals, m.Validation},
		FunctionsFile: functionsJSON{FormatVersion, m.Functions},
		ProphetFile:   fitted,
	} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		if err := e.Encode(v); err != nil {
			return nil, fmt.Errorf("forecast: encode %s: %w", name, err)
		}
		out[name] = b.Bytes()
	}
	return out, nil
}

// Compile checks m and prepares it for use; the functions are put in order of their
// keys. Load has done so already; whoever composes a Model must call it.
func (m *Model) Compile() error {
	if err := m.compile(); err != nil {
		return fmt.Errorf("forecast: %w", err)
	}
	return nil
}

func (m *Model) compile() error {
	if err := m.Features.Validate(); err != nil {
		return err
	}
	m.columns = m.Features.Columns()
	files := map[string]bool{ModelFile: true, FunctionsFile: true, ProphetFile: true}
	for i := range m.Clusters {
		c := &m.Clusters[i]
		if err := c.Calibration.Validate(); err != nil {
			return fmt.Errorf("cluster %q: %w", c.Name, err)
		}
		for k := range c.Later {
			l := &c.Later[k]
			if err := l.Calibration.Validate(); err != nil {
				return fmt.Errorf("cluster %q, %d minutes ahead: %w", c.Name, l.Minutes, err)
			}
			if l.Minutes < 2 || l.Minutes > MaxAhead || k > 0 && l.Minutes <= c.Later[k-1].Minutes || len(l.Bias) != len(l.Calibration.Z) {
				return fmt.Errorf("cluster %q: minutes ahead must ascend in [2, %d] and have a bias for each level, got %d with %d", c.Name, MaxAhead, l.Minutes, len(l.Bias))
			}
		}
		for k := range c.Later {
			for _, b := range c.Later[k].Bias {
				if !(math.Abs(b) <= largestResidual) {
					return fmt.Errorf("cluster %q, %d minutes ahead: a bias must be at most %g, got %g", c.Name, c.Later[k].Minutes, largestResidual, b)
				}
			}
		}
		for _, h := range c.heads() {
			if err := m.compileHead(h); err != nil {
				return fmt.Errorf("cluster %q: %w", c.Name, err)
			}
			if h.File != "" && files[h.File] {
				return fmt.Errorf("cluster %q: file %q is named twice", c.Name, h.File)
			}
			files[h.File] = true
		}
	}
	slices.SortStableFunc(m.Functions, func(a, b Function) int { return a.Key.Compare(b.Key) })
	m.byKey = make(map[Key]int, len(m.Functions))
	for i := range m.Functions {
		f := &m.Functions[i]
		if _, ok := m.byKey[f.Key]; ok {
			return fmt.Errorf("function %v: named twice", f.Key)
		}
		m.byKey[f.Key] = i
		if err := m.checkFunction(f); err != nil {
			return fmt.Errorf("function %v: %w", f.Key, err)
		}
	}
	scopes := map[string]bool{}
	for i := range m.Totals {
		f := &m.Totals[i]
		if f.Key.Owner != "" || f.Key.App != "" || scopes[f.Key.Name] || !validScope(f.Key.Name) || f.Class != Trees {
			return fmt.Errorf("total %v: must be of the class %s and have a scope of its own: %s, %s… or %s…", f.Key, Trees, TotalScope, TriggerScope, OwnerScope)
		}
		scopes[f.Key.Name] = true
		if err := m.checkFunction(f); err != nil {
			return fmt.Errorf("total %v: %w", f.Key, err)
		}
	}
	for k, f := range m.Prophet {
		if f == nil {
			return fmt.Errorf("function %v: decomposition is null", k)
		}
		// Before their columns are added up: the sum could be that of what has no end.
		for _, h := range f.Holidays {
			if h.LowerWindow < -longestHoliday || h.UpperWindow > longestHoliday {
				return fmt.Errorf("function %v: holiday %q: windows must be within %d days, got %d and %d", k, h.Name, longestHoliday, h.LowerWindow, h.UpperWindow)
			}
		}
		for _, s := range f.Seasonalities {
			if s.Order > mostOrders {
				return fmt.Errorf("function %v: seasonality %q: order must be at most %d, got %d", k, s.Name, mostOrders, s.Order)
			}
		}
		if err := f.Validate(); err != nil {
			return fmt.Errorf("function %v: %w", k, err)
		}
	}
	return nil
}

// Bounds of a decomposition, days and columns.
const (
	longestHoliday = 366
	mostOrders     = 1 << 16
)

func (m *Model) compileHead(h *Head) error {
	if h.Trees == nil || h.File == "" {
		if *h != (Head{}) {
			return errors.New("a head must have both trees and their file, or nothing")
		}
		return nil
	}
	if !strings.HasPrefix(h.File, "forecast/") || !strings.HasSuffix(h.File, ".txt") {
		return fmt.Errorf("file of trees must be named forecast/*.txt, got %q", h.File)
	}
	if n := h.Trees.Columns(); n != len(m.columns) {
		return fmt.Errorf("%s: trees have %d columns, expected %d", h.File, n, len(m.columns))
	}
	if h.Link != Stabilised && h.Link != Residual {
		return fmt.Errorf("%s: link must be %s or %s, got %q", h.File, Stabilised, Residual, h.Link)
	}
	return nil
}

func (m *Model) checkFunction(f *Function) error {
	switch f.Class {
	case Trees:
		if f.Cluster < 0 || f.Cluster >= len(m.Clusters) {
			return fmt.Errorf("cluster must be in [0, %d), got %d", len(m.Clusters), f.Cluster)
		}
		if f.Keep < 0 || f.Keep > m.Features.Reach() {
			return fmt.Errorf("keep must be in [0, %d] minutes, got %d", m.Features.Reach(), f.Keep)
		}
	case Interarrival:
		if f.IAT == nil {
			return errors.New("class interarrival needs a histogram")
		}
		if f.IAT.Batch > features.LargestCount {
			return fmt.Errorf("batch must be at most %g, got %g", features.LargestCount, f.IAT.Batch)
		}
		return f.IAT.Validate()
	case Zero:
	default:
		return fmt.Errorf("class must be %s, %s or %s, got %q", Trees, Interarrival, Zero, f.Class)
	}
	return nil
}

// Columns are the names of the values of a row of features.
func (m *Model) Columns() []string { return slices.Clone(m.columns) }

// Function returns what m knows of the function with the key, and whether it knows it.
func (m *Model) Function(k Key) (Function, bool) {
	i, ok := m.byKey[k]
	if !ok {
		return Function{}, false
	}
	return m.Functions[i], true
}
