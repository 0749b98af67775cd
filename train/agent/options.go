package agent

import (
	"fmt"
	"math"

	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/train/cluster"
)

// Options of training. The names are those of cleanrl's dqn.py where it has them.
type Options struct {
	// TotalTimesteps is the number of decisions that are learned from, >= 1. Default 12000.
	TotalTimesteps int `json:"total_timesteps"`
	// LearningRate of Adam, > 0; it falls linearly to a tenth. Default 3e-4.
	LearningRate float64 `json:"learning_rate"`
	// BufferSize is how many decisions the replay buffer holds, >= 2 * BatchSize. Default 40000.
	BufferSize int `json:"buffer_size"`
	// Gamma is the discount factor per second of simulated time, (0, 1). Default
	// 0.97: waits of half a minute, as there are under overload, must still matter.
	Gamma float64 `json:"gamma"`
	// Tau is the share of the network that the target network takes on after each
	// step, (0, 1]. Default 0.005.
	Tau float64 `json:"tau"`
	// BatchSize of a step, >= 1. Default 64.
	BatchSize int `json:"batch_size"`
	// StartE and EndE are the shares of random actions, [0, 1], at the start and after
	// ExplorationFraction, (0, 1], of the decisions. Default 0.2 to 0.02 over 0.5: the
	// demonstrations have taught what to begin with.
	StartE              float64 `json:"start_e"`
	EndE                float64 `json:"end_e"`
	ExplorationFraction float64 `json:"exploration_fraction"`
	// LearningStarts is how many decisions are made before the first step, >= 0. Default 500.
	LearningStarts int `json:"learning_starts"`
	// TrainFrequency is how many decisions are made per step, >= 1. Default 4.
	TrainFrequency int `json:"train_frequency"`
	// Hidden units per layer, [2, 4096]. Default 64.
	Hidden int `json:"hidden"`
	// NStep is how many rewards a target sums before it trusts the target network,
	// [1, 64]. Default 1: the shaped reward tells at once what an action was worth, and more
	// steps of an exploring policy would tell of its mistakes.
	NStep int `json:"n_step"`
	// MaxGradNorm bounds the Euclidean norm of a gradient, > 0. Default 10.
	MaxGradNorm float64 `json:"max_grad_norm"`

	// Demonstrations is how many decisions of each rule are recorded, >= 0. Default 2000.
	Demonstrations int `json:"demonstrations"`
	// DemonstrationShare of each batch is drawn from the demonstrations, [0, 1). Default 0.2.
	DemonstrationShare float64 `json:"demonstration_share"`
	// DemonstrationMargin is by how much the action of the best rule should be better
	// than the others where it was demonstrated, >= 0, in units of the scaled reward; the
	// weight of this loss falls linearly to zero. 0 turns it off. Default 0.1.
	DemonstrationMargin float64 `json:"demonstration_margin"`
	// PretrainSteps on the demonstrations alone come first, >= 0. Default 1000.
	PretrainSteps int `json:"pretrain_steps"`
	// Evaluations is how often, evenly spaced, the network is tried on the evaluation
	// windows to keep the best one, >= 1. Default 8.
	Evaluations int `json:"evaluations"`

	// ColdCost per second of initialisation, SLOCost per missed SLO and MemoryCost as a
	// multiple of the RUM price of wasted memory, >= 0: see the package comment.
	// Default 0.1, 0.1 and 1.
	ColdCost   float64 `json:"cold_cost"`
	SLOCost    float64 `json:"slo_cost"`
	MemoryCost float64 `json:"memory_cost"`

	// FineTuneTimesteps replaces TotalTimesteps for the agent of a cluster, which starts
	// from the global one, >= 1. Default 4000.
	FineTuneTimesteps int `json:"fine_tune_timesteps"`
	// JudgeSeeds is how many seeds each window is judged under, >= 1. Default 3.
	JudgeSeeds int `json:"judge_seeds"`
	// JudgeWindows bounds the windows that a cluster is judged on, >= 1. Default 4.
	JudgeWindows int `json:"judge_windows"`

	// Observation is what the agent sees: candidates and SLO.
	Observation agent.Options `json:"observation"`
	// Cluster is how the environments are grouped.
	Cluster cluster.Options `json:"cluster"`

	// Seed of the random numbers. Default 1.
	Seed uint64 `json:"seed"`
	// Workers that run at once; 0, the default, is one per processor. Results do not
	// depend on it.
	Workers int `json:"workers"`

	// Gemm multiplies matrices; nil is gonum's. It must be deterministic.
	Gemm Gemm `json:"-"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	return Options{
		TotalTimesteps: 12000, LearningRate: 3e-4, BufferSize: 40000, Gamma: 0.97, Tau: 0.005, BatchSize: 64,
		StartE: 0.2, EndE: 0.02, ExplorationFraction: 0.5, LearningStarts: 500, TrainFrequency: 4, Hidden: 64,
		NStep: 1, MaxGradNorm: 10,
		Demonstrations: 2000, DemonstrationShare: 0.2, DemonstrationMargin: 0.1, PretrainSteps: 1000, Evaluations: 8,
		ColdCost: 0.1, SLOCost: 0.1, MemoryCost: 1,
		FineTuneTimesteps: 4000, JudgeSeeds: 3, JudgeWindows: 4,
		Observation: agent.DefaultOptions(), Cluster: cluster.DefaultOptions(), Seed: 1,
	}
}

// Validate reports all options that are out of range.
func (o Options) Validate() error {
	out := option.Check{Package: "agent"}
	bad := func(key, rule string, value any) { out.That(false, key, "must be %s, got %v", rule, value) }
	positive := func(key string, v int) {
		if v < 1 {
			bad(key, "at least 1", v)
		}
	}
	notNegative := func(key string, v float64) {
		if !(v >= 0) || math.IsInf(v, 0) {
			bad(key, "a number that is not negative", v)
		}
	}
	positive("total_timesteps", o.TotalTimesteps)
	if !(o.LearningRate > 0) || math.IsInf(o.LearningRate, 0) {
		bad("learning_rate", "positive", o.LearningRate)
	}
	positive("batch_size", o.BatchSize)
	if o.BufferSize < 2*o.BatchSize {
		bad("buffer_size", fmt.Sprintf("at least twice batch_size (%d)", o.BatchSize), o.BufferSize)
	}
	if !(o.Gamma > 0 && o.Gamma < 1) {
		bad("gamma", "in (0, 1)", o.Gamma)
	}
	if !(o.Tau > 0 && o.Tau <= 1) {
		bad("tau", "in (0, 1]", o.Tau)
	}
	if !(o.StartE >= 0 && o.StartE <= 1) {
		bad("start_e", "in [0, 1]", o.StartE)
	}
	if !(o.EndE >= 0 && o.EndE <= 1) {
		bad("end_e", "in [0, 1]", o.EndE)
	}
	if !(o.ExplorationFraction > 0 && o.ExplorationFraction <= 1) {
		bad("exploration_fraction", "in (0, 1]", o.ExplorationFraction)
	}
	notNegative("learning_starts", float64(o.LearningStarts))
	positive("train_frequency", o.TrainFrequency)
	if o.Hidden < 2 || o.Hidden > 4096 {
		bad("hidden", "in [2, 4096]", o.Hidden)
	}
	if o.NStep < 1 || o.NStep > 64 {
		bad("n_step", "in [1, 64]", o.NStep)
	}
	if !(o.MaxGradNorm > 0) {
		bad("max_grad_norm", "positive", o.MaxGradNorm)
	}
	notNegative("demonstrations", float64(o.Demonstrations))
	if !(o.DemonstrationShare >= 0 && o.DemonstrationShare < 1) {
		bad("demonstration_share", "in [0, 1)", o.DemonstrationShare)
	}
	notNegative("demonstration_margin", o.DemonstrationMargin)
	notNegative("pretrain_steps", float64(o.PretrainSteps))
	positive("evaluations", o.Evaluations)
	notNegative("cold_cost", o.ColdCost)
	notNegative("slo_cost", o.SLOCost)
	notNegative("memory_cost", o.MemoryCost)
	positive("fine_tune_timesteps", o.FineTuneTimesteps)
	positive("judge_seeds", o.JudgeSeeds)
	positive("judge_windows", o.JudgeWindows)
	notNegative("workers", float64(o.Workers))
	out.Within("observation", o.Observation.Validate())
	out.Within("cluster", o.Cluster.Validate())
	return out.Err()
}

// cost is the part of the options that rewards depend on.
type cost struct {
	gamma             float64 // per second
	cold, slo, memory float64
	objective         decide.Time
}

func (o Options) cost() cost {
	return cost{o.Gamma, o.ColdCost, o.SLOCost, o.MemoryCost, o.Observation.SLO}
}
