package agent

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/cluster"
)

// SurveyRule dispatches while environments are measured.
const SurveyRule = "density"

// radiusQuantile of the distances to a centroid is where an environment ends
// (docs/models.md, decision 25).
const radiusQuantile = 0.99

// indifferent is the standard deviation of a column that is to make no difference
// between environments: like a seasonality, the time of day counts only where two
// days were seen.
const indifferent = 1e9

// Agents are what was trained, before it is judged.
type Agents struct {
	Global  *agent.Network
	Cluster []*agent.Network // per cluster: the global one, fine-tuned on the cluster's windows

	// Clusters are the environments. The choices are the rule to imitate until Judge
	// has chosen.
	Clusters *agent.Clusters
	// Assignment is the cluster of each training window, or None for one without requests.
	Assignment []int
	Silhouette float64

	Curves        Curves   // of the global agent
	ClusterCurves []Curves // of the others
}

// GlobalFile and ClusterFile name the files of the agents in a bundle.
const GlobalFile = scheduler.GlobalAgent

// ClusterFile is the name of the file of the agent of cluster i.
func ClusterFile(i int) string { return fmt.Sprintf("agent/cluster-%02d.onnx", i) }

// TrainClusters measures the environment of every window under SurveyRule, groups the
// environments, trains a global agent on all windows and from it one agent per cluster.
// The windows must be of one length, which becomes that of the environment vectors.
func TrainClusters(ctx context.Context, episode Episode, windows []datasets.Window, origin decide.Time, o Options, rec train.Recorder) (*Agents, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if rec == nil {
		rec = train.Discard
	}
	vectors, err := Environments(ctx, episode, windows, origin, o)
	if err != nil {
		return nil, err
	}
	a := &Agents{}
	if err := a.group(ctx, windows, vectors, o); err != nil {
		return nil, err
	}
	global, err := learn(ctx, episode, windows, o, named{rec, "global"}, nil)
	if err != nil {
		return nil, fmt.Errorf("train the global agent: %w", err)
	}
	a.Global, a.Curves = global.best, global.curves
	a.Clusters.Global = agent.Choice{Rule: global.curves.Expert}
	k := len(a.Clusters.Centroids)
	a.Cluster, a.ClusterCurves = make([]*agent.Network, k), make([]Curves, k)
	err = judgeAll(ctx, o, k, func(ctx context.Context, c int) error {
		var own []datasets.Window
		for i, w := range windows {
			if a.Assignment[i] == c {
				own = append(own, w)
			}
		}
		tuning := o
		tuning.TotalTimesteps = o.FineTuneTimesteps
		// It has learned to dispatch: explore as little as at the end of that.
		tuning.StartE, tuning.EndE, tuning.LearningRate = max(o.EndE, o.StartE/2), o.EndE, o.LearningRate/2
		tuning.Seed = seed.Key(o.Seed, fmt.Sprintf("agent/cluster/%d", c))
		l, err := learn(ctx, episode, own, tuning, named{rec, fmt.Sprintf("cluster-%02d", c)}, &start{global.best, global.scale})
		if err != nil {
			return fmt.Errorf("train the agent of cluster %d: %w", c, err)
		}
		a.Cluster[c], a.ClusterCurves[c] = l.best, l.curves
		a.Clusters.Choices[c] = agent.Choice{Rule: l.curves.Expert}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// group makes the clusters of the environment vectors, of which nil ones are left out.
func (a *Agents) group(ctx context.Context, windows []datasets.Window, vectors [][]float64, o Options) error {
	var points [][]float64
	var of []int
	for i, v := range vectors {
		if v != nil {
			points, of = append(points, v), append(of, i)
		}
	}
	if len(points) == 0 {
		return fmt.Errorf("agent: none of %d windows has requests", len(windows))
	}
	scaler, err := cluster.FitScaler(points)
	if err != nil {
		return err
	}
	if windows[len(windows)-1].To-windows[0].From < 2*datasets.MinutesPerDay {
		// The hour would only tell the windows of training from all later ones.
		scaler.Std[agent.EnvHourSin], scaler.Std[agent.EnvHourCos] = indifferent, indifferent
	}
	scaled := scaler.ApplyAll(points)
	options := o.Cluster
	options.Seed, options.Workers = o.Seed, o.Workers
	r, err := cluster.KMeans(ctx, scaled, options)
	if err != nil {
		return err
	}
	a.Silhouette = r.Silhouette
	a.Assignment = make([]int, len(windows))
	for i := range a.Assignment {
		a.Assignment[i] = decide.None
	}
	for p, i := range of {
		a.Assignment[i] = r.Assignment[p]
	}
	a.Clusters = &agent.Clusters{
		Columns: agent.EnvColumns(), Window: decide.Time(windows[0].Len()) * decide.Minute,
		Mean: scaler.Mean, Std: scaler.Std, Centroids: r.Centroids, Radius: r.Radius(scaled, radiusQuantile),
		Choices: make([]agent.Choice, len(r.Centroids)), Encoder: o.Observation,
	}
	return nil
}

// Environments measures the environment vector of every window under SurveyRule; that
// of a window without requests is nil. origin is the time of day of minute 0.
func Environments(ctx context.Context, episode Episode, windows []datasets.Window, origin decide.Time, o Options) ([][]float64, error) {
	if len(windows) == 0 {
		return nil, errors.New("agent: no windows")
	}
	vectors := make([][]float64, len(windows))
	err := judgeAll(ctx, o, len(windows), func(ctx context.Context, i int) error {
		w := windows[i]
		if w.Len() != windows[0].Len() {
			return fmt.Errorf("agent: window %v has %d minutes, the first has %d", w, w.Len(), windows[0].Len())
		}
		tracker, err := agent.NewTracker(agent.TrackerOptions{Window: decide.Time(w.Len()) * decide.Minute, Origin: origin})
		if err != nil {
			return err
		}
		s := &surveyor{tracker: tracker, from: decide.Time(w.From) * decide.Minute, to: decide.Time(w.To) * decide.Minute}
		_, err = episode(ctx, rule(SurveyRule, o.Seed), w, seed.Key(o.Seed, "agent/survey"), s)
		if errors.Is(err, sim.ErrNoRequests) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("survey %v: %w", w, err)
		}
		if _, n := tracker.Vector(); n == 0 {
			tracker.Flush(s.last)
		}
		if v, n := tracker.Vector(); n > 0 {
			vectors[i] = append([]float64(nil), v...)
		}
		return nil
	})
	return vectors, err
}

// A surveyor shows a tracker the events of the window alone.
type surveyor struct {
	tracker  *agent.Tracker
	from, to decide.Time
	began    bool
	last     decide.Snapshot
}

func (s *surveyor) Handled(v decide.Snapshot, ev decide.Event, _ []decide.Decision) {
	if v.Now() < s.from {
		return
	}
	if v.Now() < s.to || s.began && !s.done() {
		s.began, s.last = true, v
		s.tracker.Observe(v, ev)
	}
}

func (s *surveyor) done() bool { _, n := s.tracker.Vector(); return n > 0 }

func (*surveyor) Finished(sim.Outcome) {}

// named puts the name of an agent before the metrics.
type named struct {
	train.Recorder
	name string
}

func (n named) Record(metric string, step int, value float64) {
	n.Recorder.Record(n.name+"/"+metric, step, value)
}

// A Row is the verdict on one cluster, or with Cluster None on all windows together.
type Row struct {
	Cluster int `json:"cluster"`
	Windows int `json:"windows"` // validation windows with requests that it is judged on
	Seeds   int `json:"seeds"`

	// Mean priority-weighted latencies in milliseconds over windows and seeds.
	AgentMS  float64            `json:"agent_ms"`
	BestRule string             `json:"best_rule"`
	RuleMS   float64            `json:"rule_ms"` // of BestRule
	RandomMS float64            `json:"random_ms"`
	RulesMS  map[string]float64 `json:"rules_ms"`

	// Per seed, over the windows.
	AgentSeedsMS []float64 `json:"agent_seeds_ms"`
	RuleSeedsMS  []float64 `json:"rule_seeds_ms"`

	// GainMS is the mean of rule minus agent over the pairs (window, seed), and
	// HalfWidthMS half of its 95 % bootstrap interval. The agent won if the gain is
	// the greater of the two.
	GainMS      float64 `json:"gain_ms"`
	HalfWidthMS float64 `json:"half_width_ms"`
	Won         bool    `json:"won"`

	Network string       `json:"network"` // that was judged: the cluster's own or the global one
	Choice  agent.Choice `json:"choice"`
}

// Judge tries the agents on windows that they were not trained on and sets
// a.Clusters.Choices and Global: an agent is chosen only where it beats the best rule by
// more than half the width of the confidence interval; else that rule is
// (docs/models.md, The agent). The agent of a cluster is first compared with the
// global one in the same way, which takes its place unless it is beaten.
//
// A window belongs to the cluster whose centroid is nearest; one beyond the radius
// counts for the global agent alone. A cluster without a window follows the global choice.
func (a *Agents) Judge(ctx context.Context, episode Episode, windows []datasets.Window, origin decide.Time, o Options) ([]Row, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	vectors, err := Environments(ctx, episode, windows, origin, o)
	if err != nil {
		return nil, err
	}
	k := len(a.Clusters.Centroids)
	members := make([][]datasets.Window, k)
	var all []datasets.Window
	for i, v := range vectors {
		if v == nil {
			continue
		}
		all = append(all, windows[i])
		if c, d := a.Clusters.Nearest(v); d <= a.Clusters.Radius[c] {
			members[c] = append(members[c], windows[i])
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("agent: none of %d windows has requests to judge on", len(windows))
	}
	global, err := compare(ctx, episode, spaced(all, 2*o.JudgeWindows), o, a.Global)
	if err != nil {
		return nil, err
	}
	row := global.row(decide.None, GlobalFile, o)
	a.Clusters.Global = row.Choice
	rows := []Row{row}
	for c := range k {
		if len(members[c]) == 0 {
			a.Clusters.Choices[c] = a.Clusters.Global
			rows = append(rows, Row{Cluster: c, Choice: a.Clusters.Global})
			continue
		}
		own := spaced(members[c], o.JudgeWindows)
		both, err := compare(ctx, episode, own, o, a.Global, a.Cluster[c])
		if err != nil {
			return nil, err
		}
		file := GlobalFile
		if gain, half := paired(both.runs[0], both.runs[1], o); gain > half {
			both.runs[0], file = both.runs[1], ClusterFile(c)
			both.Agent = mean(both.runs[0])
		}
		row := both.row(c, file, o)
		a.Clusters.Choices[c] = row.Choice
		rows = append(rows, row)
	}
	return rows, a.Clusters.Validate()
}

// Networks returns the networks by their files.
func (a *Agents) Networks() map[string]*agent.Network {
	files := map[string]*agent.Network{GlobalFile: a.Global}
	for c, n := range a.Cluster {
		files[ClusterFile(c)] = n
	}
	return files
}

// row judges the runs of a comparison.
func (c *Comparison) row(cluster int, file string, o Options) Row {
	best := c.bestRule()
	r := Row{
		Cluster: cluster, Windows: c.Windows, Seeds: c.Seeds, AgentMS: c.Agent, BestRule: best, RuleMS: c.Rules[best],
		RandomMS: c.Rules[RandomRule], RulesMS: c.Rules,
		AgentSeedsMS: c.perSeed(c.runs[0]), RuleSeedsMS: c.perSeed(c.each[best]),
		Network: file, Choice: agent.Choice{Rule: best},
	}
	r.GainMS, r.HalfWidthMS = paired(c.each[best], c.runs[0], o)
	if r.Won = r.GainMS > r.HalfWidthMS; r.Won {
		r.Choice = agent.Choice{Agent: file}
	}
	return r
}

// resamples of a bootstrap interval.
const resamples = 2000

// leastPairs is how many pairs an interval needs to mean anything.
const leastPairs = 3

// paired returns the mean of a - b and half the width of its 95 % bootstrap interval. Of
// too few pairs, half is as large as the gain, so that it is never won.
func paired(a, b []float64, o Options) (gain, half float64) {
	diff := make([]float64, len(a))
	for i := range diff {
		diff[i] = a[i] - b[i]
	}
	gain = mean(diff)
	if len(diff) < leastPairs {
		return gain, math.Abs(gain)
	}
	low, high := interval(diff, o.Seed)
	return gain, (high - low) / 2
}

// spaced takes at most n of the windows, evenly spaced.
func spaced(windows []datasets.Window, n int) []datasets.Window {
	if len(windows) <= n {
		return windows
	}
	out := make([]datasets.Window, n)
	for i := range out {
		out[i] = windows[int(math.Round(float64(i)*float64(len(windows)-1)/float64(max(n-1, 1))))]
	}
	return out
}
