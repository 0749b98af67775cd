// Package agents is the stage that trains a deep-Q agent for each kind of environment and
// keeps it only where it beats the rules on the validation part.
package agents

import (
	"context"
	"fmt"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/pipelines/replay"
	"github.com/incendio-faas/incendio/pipelines/stage"
	"github.com/incendio-faas/incendio/pipelines/steps/forecast"
	"github.com/incendio-faas/incendio/pipelines/steps/tune"
	"github.com/incendio-faas/incendio/scheduler"
	qnet "github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/sim"
	"github.com/incendio-faas/incendio/train/agent"
)

// Files that the stage writes.
const (
	Folder = "models/agent"               // networks, and which environment has which
	Report = "models/agent-training.json" // how they were trained
)

// Given is what the stage depends on. The workers of the options are those of the place.
type Given struct {
	replay.Ground
	Agent agent.Options
	SLO   scheduler.SLO
}

// Training is what the stage keeps for the report.
type Training struct {
	Rows       []agent.Row    `json:"rows"`
	Curves     agent.Curves   `json:"curves"` // of the global agent
	Clusters   []agent.Curves `json:"clusters"`
	Silhouette float64        `json:"silhouette"`
	Windows    int            `json:"windows"`
}

// Stage returns the stage.
func Stage(given Given) stage.Stage {
	return stage.New("agents", []string{forecast.Models, tune.File}, []string{Folder, Report}, stage.Always(given), train)
}

// Read reads the environments and the networks.
func Read(from stage.Reader) (*qnet.Clusters, map[string]*qnet.Network, error) {
	data, err := from.Read("models/" + scheduler.ClustersFile)
	if err != nil {
		return nil, nil, err
	}
	c, err := qnet.ParseClusters(data)
	if err != nil {
		return nil, nil, err
	}
	networks, err := scheduler.LoadNetworks(c, func(name string) ([]byte, error) { return from.Read("models/" + name) })
	return c, networks, err
}

// ReadTraining reads how they were trained.
func ReadTraining(from stage.Reader) (*Training, error) {
	var t Training
	return &t, stage.ReadJSON(from, Report, &t)
}

func train(ctx context.Context, at *stage.Place, given Given) (stage.Outcome, error) {
	o := given.Agent
	o.Workers = at.Workers
	model, err := forecast.Read(at)
	if err != nil {
		return stage.Outcome{}, err
	}
	_, settings, err := tune.Read(at, given.SLO)
	if err != nil {
		return stage.Outcome{}, err
	}
	rates, err := given.Rates(ctx)
	if err != nil {
		return stage.Outcome{}, err
	}
	l := given.Learning
	f := given.Frame(l.AgentWindowMinutes, l.AgentWindowRequests, rates)
	onTrain, err := given.Draw(ctx, given.Splits.Train, l.AgentWindows, f)
	if err != nil {
		return stage.Outcome{}, err
	}
	onValid, err := given.Draw(ctx, given.Splits.Valid, l.AgentWindows, f)
	if err != nil {
		return stage.Outcome{}, err
	}
	windows := slices.Concat(onTrain, onValid)
	scenes, err := given.Scenes(ctx, model, windows, f, rates, at.Workers)
	if err != nil {
		return stage.Outcome{}, err
	}
	episode := episodes(given.Trace.Value, windows, scenes, settings)
	bar := at.Progress.Begin("agents", 0)
	defer bar.End()
	const midnight = 0 // minute 0 of a trace is one
	a, err := agent.TrainClusters(ctx, episode, onTrain, midnight, o, stage.Recorder{Bar: bar})
	if err != nil {
		return stage.Outcome{}, err
	}
	rows, err := a.Judge(ctx, episode, onValid, midnight, o)
	if err != nil {
		return stage.Outcome{}, err
	}
	if err := keep(at, a); err != nil {
		return stage.Outcome{}, err
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
	out := stage.Outcome{Summary: fmt.Sprintf("won in %d of %d environments judged, %d found", won, judged, len(a.Cluster))}
	if won == 0 {
		out.Warnings = append(out.Warnings, "No agent beat the best rule by more than the confidence interval: the bundle schedules by rules, and carries the global network unused.")
	}
	return out, stage.WriteJSON(at, Report, Training{
		Rows: rows, Curves: a.Curves, Clusters: a.ClusterCurves, Silhouette: a.Silhouette, Windows: len(onTrain),
	})
}

// episodes replays windows in the simulator, as scenes, with the stack "incendio" around the
// dispatcher that learns or is judged.
func episodes(trace *datasets.Trace, windows []datasets.Window, all []replay.Scene, s scheduler.Settings) agent.Episode {
	scenes := make(map[datasets.Window]replay.Scene, len(windows))
	for i, w := range windows {
		scenes[w] = all[i]
	}
	return func(ctx context.Context, dispatcher agent.NewDispatcher, w datasets.Window, seed uint64, observer sim.Observer) (*sim.Result, error) {
		sc, ok := scenes[w]
		if !ok {
			return nil, fmt.Errorf("window %v was not prepared", w)
		}
		drawn := sc.Options.Seed
		sc.Options.Seed, sc.Options.Observer = seed, observer
		if seed != drawn {
			var err error
			if sc.Workload, err = sim.Load(ctx, trace, sc.Options.Draw); err != nil {
				return nil, err
			}
		}
		return sc.Run(ctx, sc.Stack(s.Parts(dispatcher)))
	}
}

// keep writes the clusters and the networks that they choose, and the global one.
func keep(at *stage.Place, a *agent.Agents) error {
	if err := at.Clear(Folder); err != nil {
		return err
	}
	if err := stage.WriteJSON(at, "models/"+scheduler.ClustersFile, a.Clusters); err != nil {
		return err
	}
	networks := a.Networks()
	for _, name := range scheduler.NetworkFiles(a.Clusters) {
		graph, err := networks[name].Graph()
		if err != nil {
			return err
		}
		if err := at.Write("models/"+name, onnx.Encode(graph)); err != nil {
			return err
		}
	}
	return nil
}

// Chosen names what dispatches in a cluster.
func Chosen(row agent.Row) string {
	if row.Choice.Agent != "" {
		return row.Choice.Agent
	}
	return "the rule " + row.Choice.Rule
}
