package pipelines

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/scheduler"
	online "github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/agent"
)

// Files of the stage "agents".
const (
	agentFolder = "models/agent"
	agentReport = "models/agent-training.json"
)

// agentTraining is what the stage "agents" keeps for the report.
type agentTraining struct {
	Rows       []agent.Row    `json:"rows"`
	Curves     agent.Curves   `json:"curves"` // of the global agent
	Clusters   []agent.Curves `json:"clusters"`
	Silhouette float64        `json:"silhouette"`
	Windows    int            `json:"windows"`
}

// agentStage trains a deep-Q agent for each kind of environment and keeps it only
// where it beats the rules on the validation part.
func agentStage(r *Run) Stage {
	o := r.recorded().Agent
	return Stage{
		Name:    "agents",
		Inputs:  []string{forecastFolder, priorityFile},
		Outputs: []string{agentFolder, agentReport},
		Options: struct {
			Agent      agent.Options
			Learning   Learning
			Simulation Simulation
			SLO        scheduler.SLO
			Splits     datasets.Splits
		}{o, r.cfg.Learning, r.cfg.Simulation, r.cfg.SLO, r.splits},
		Run: func(ctx context.Context, r *Run) (Outcome, error) { return r.trainAgents(ctx, o) },
	}
}

func (r *Run) trainAgents(ctx context.Context, o agent.Options) (Outcome, error) {
	o.Workers = r.env.Workers
	_, settings, err := r.tuned()
	if err != nil {
		return Outcome{}, err
	}
	rates, err := r.trace.Rates(ctx, r.splits.Train)
	if err != nil {
		return Outcome{}, err
	}
	l := r.cfg.Learning
	f := r.frame(l.AgentWindowMinutes, l.AgentWindowRequests, rates)
	onTrain, err := r.trace.Sample(ctx, r.splits.Train, l.AgentWindows, f.minutes, r.cfg.Seed)
	if err != nil {
		return Outcome{}, err
	}
	onValid, err := r.trace.Sample(ctx, r.splits.Valid, l.AgentWindows, f.minutes, r.cfg.Seed)
	if err != nil {
		return Outcome{}, err
	}
	episode, err := r.episodes(ctx, slices.Concat(onTrain, onValid), f, rates, settings)
	if err != nil {
		return Outcome{}, err
	}
	bar := r.env.Progress.Begin("agents", 0)
	defer bar.End()
	const midnight = 0 // minute 0 of a trace is one
	a, err := agent.TrainClusters(ctx, episode, onTrain, midnight, o, progress{bar: bar})
	if err != nil {
		return Outcome{}, err
	}
	rows, err := a.Judge(ctx, episode, onValid, midnight, o)
	if err != nil {
		return Outcome{}, err
	}
	if err := r.keepAgents(a); err != nil {
		return Outcome{}, err
	}
	won, judged := 0, 0
	for _, row := range rows[1:] { // the first is all windows together
		if row.Windows > 0 {
			judged++
			if row.Won {
				won++
			}
		}
	}
	out := Outcome{Summary: fmt.Sprintf("won in %d of %d environments judged, %d found", won, judged, len(a.Cluster))}
	if won == 0 {
		out.Warnings = append(out.Warnings, "No agent beat the best rule by more than the confidence interval: the bundle schedules by rules, and carries the global network unused.")
	}
	return out, writeJSON(r.Path(agentReport), agentTraining{
		Rows: rows, Curves: a.Curves, Clusters: a.ClusterCurves, Silhouette: a.Silhouette, Windows: len(onTrain),
	})
}

// episodes replays windows in the simulator with the stack "incendio" around the
// dispatcher that learns or is judged.
func (r *Run) episodes(ctx context.Context, windows []datasets.Window, f frame, rates []float64, s scheduler.Settings) (agent.Episode, error) {
	model, err := r.forecaster()
	if err != nil {
		return nil, err
	}
	all, err := r.scenes(ctx, model, windows, f, rates)
	if err != nil {
		return nil, err
	}
	scenes := make(map[datasets.Window]scene, len(windows))
	for i, w := range windows {
		scenes[w] = all[i]
	}
	return func(ctx context.Context, dispatcher agent.NewDispatcher, w datasets.Window, seed uint64, observer sim.Observer) (*sim.Result, error) {
		sc, ok := scenes[w]
		if !ok {
			return nil, fmt.Errorf("window %v was not prepared", w)
		}
		o := sc.options
		o.Seed, o.Observer = seed, observer
		load := sc.workload
		if seed != sc.options.Seed {
			var err error
			if load, err = sim.Load(ctx, r.trace, o); err != nil {
				return nil, err
			}
		}
		return sim.Run(ctx, r.trace, load, sc.stack(r.parts(s, dispatcher)), o)
	}, nil
}

// keepAgents writes the clusters and the networks that they choose, and the global one.
func (r *Run) keepAgents(a *agent.Agents) error {
	if err := os.RemoveAll(r.Path(agentFolder)); err != nil {
		return err
	}
	if err := writeJSON(r.Path("models", scheduler.ClustersFile), a.Clusters); err != nil {
		return err
	}
	networks := a.Networks()
	for _, name := range scheduler.NetworkFiles(a.Clusters) {
		graph, err := networks[name].Graph()
		if err != nil {
			return err
		}
		if err := writeFile(r.Path("models", name), onnx.Encode(graph)); err != nil {
			return err
		}
	}
	return nil
}

// agents reads what the stage "agents" wrote.
func (r *Run) agents() (*online.Clusters, map[string]*online.Network, error) {
	data, err := os.ReadFile(r.Path("models", scheduler.ClustersFile))
	if err != nil {
		return nil, nil, err
	}
	c, err := online.ParseClusters(data)
	if err != nil {
		return nil, nil, err
	}
	networks, err := scheduler.LoadNetworks(c, func(name string) ([]byte, error) { return os.ReadFile(r.Path("models", name)) })
	return c, networks, err
}
