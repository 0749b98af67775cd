package scheduler

import (
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// autoscalers are the stacks that set numbers of containers by what they measure or
// forecast, at a clock of their own.
var autoscalers = []Row{
	{
		Name: "knative", Source: "Knative Serving's autoscaler: concurrency over a stable and a panic window, scale to zero",
		Parameters: knativeParameters,
		build: func(s Setting, value func(string) float64) Stack {
			return compose(policy.Knative(s.Profiles, policy.KnativeOptions{
				Target: value("target"), Stable: inSeconds(value("stable_s")), PanicWindow: value("panic_window"),
				PanicThreshold: value("panic_threshold"), Grace: inSeconds(value("grace_s")),
			}))
		},
	},
	{
		Name: "hotc", Source: "Suo et al., HotC, CLUSTER 2021: containers by quadratic smoothing and a Markov chain of its errors", Reconstruction: true,
		Parameters: hotcParameters,
		build: func(s Setting, value func(string) float64) Stack {
			return compose(policy.HotC(s.Profiles, s.Invokers, policy.HotCOptions{
				Alpha: value("alpha"), States: int(value("states")), Memory: value("memory"),
			}))
		},
	},
	{
		Name: "icebreaker", Source: "Roy, Patel and Tiwari, IceBreaker, ASPLOS 2022: Fourier forecasts, prewarmed by utility on two kinds of invokers", Reconstruction: true,
		Parameters: iceBreakerParameters,
		build: func(s Setting, value func(string) float64) Stack {
			low := value("low")
			return compose(policy.IceBreaker(s.Profiles, s.Invokers, policy.IceBreakerOptions{
				Harmonics: int(value("harmonics")), Low: low, High: max(low, value("high")), Better: value("better"),
			}))
		},
	},
	{
		Name: "mpc", Source: "Nguyen, Bhuyan and Elmroth, MASCOTS 2025: model predictive control of containers, requests wait for them", Reconstruction: true,
		Parameters: mpcParameters,
		build: func(s Setting, value func(string) float64) Stack {
			return compose(policy.MPC(s.Profiles, policy.MPCOptions{
				Interval: inSeconds(value("interval_s")), Horizon: int(value("horizon")), Clip: value("clip"),
				Cold: value("alpha"), Queue: value("beta"), Idle: value("gamma"), Start: value("delta"),
				Reclaim: value("eta"), Smooth: value("rho"),
			}))
		},
	},
	{
		Name: "femux", Source: "FeMux, EuroSys 2026: the forecaster of eight that has the least RUM on blocks that look alike", Reconstruction: true,
		Parameters: femuxParameters,
		build: func(s Setting, value func(string) float64) Stack {
			return compose(policy.FeMux(s.Profiles, s.Start, policy.FeMuxOptions{
				Block: int(value("block_min")), Cold: value("cold"), Memory: value("memory"),
			}))
		},
	},
	{
		Name: "spes", Source: "Lee et al., SPES, ICDE 2024: functions by types of their waiting times, each with its rule", Reconstruction: true,
		Parameters: spesParameters,
		build: func(s Setting, value func(string) float64) Stack {
			return compose(policy.SPES(s.Profiles, policy.SPESOptions{
				Prewarm: int(value("prewarm_min")), GiveUp: int(value("give_up_min")), Dense: int(value("dense_min")), Pulsed: int(value("pulsed_min")),
			}))
		},
	},
}

var knativeParameters = func(o policy.KnativeOptions) []Parameter {
	return []Parameter{
		{"target", "share of a container's concurrency that is aimed at", o.Target, 0.01, 1},
		{"stable_s", "stable window, in seconds", o.Stable.Seconds(), 6, 3600},
		{"panic_window", "panic window as a share of the stable one", o.PanicWindow, 0.01, 1},
		{"panic_threshold", "times the ready containers at which panic begins", o.PanicThreshold, 1.1, 10},
		{"grace_s", "how long the last container stays after a stable window without requests, in seconds", o.Grace.Seconds(), 0, 3600},
	}
}(policy.DefaultKnativeOptions())

var hotcParameters = func(o policy.HotCOptions) []Parameter {
	return []Parameter{
		{"alpha", "factor of the quadratic smoothing", o.Alpha, 0.01, 0.99},
		{"states", "relative errors of the forecast that the Markov chain tells apart", float64(o.States), 1, 25},
		{"memory", "share of all memory above which the oldest idle containers end", o.Memory, 0.1, 1},
	}
}(policy.DefaultHotCOptions())

var iceBreakerParameters = func(o policy.IceBreakerOptions) []Parameter {
	return []Parameter{
		{"harmonics", "lowest harmonics of an hour that forecasts continue", float64(o.Harmonics), 0, 29},
		{"low", "utility below which a function is not prewarmed", o.Low, 0, 1},
		{"high", "utility from which it is prewarmed on the better invokers; low where that is more", o.High, 0, 1},
		{"better", "share of the invokers that are the better ones", o.Better, 0, 1},
	}
}(policy.DefaultIceBreakerOptions())

var mpcParameters = func(o policy.MPCOptions) []Parameter {
	return []Parameter{
		{"interval_s", "control interval, in seconds", o.Interval.Seconds(), 1, 60},
		{"horizon", "control intervals that are planned", float64(o.Horizon), 1, 60},
		{"clip", "standard deviations above the mean that a forecast may be", o.Clip, 0, 10},
		{"alpha", "cost of a second of start and execution that a request is expected to wait for", o.Cold, 0, 1000},
		{"beta", "cost of a second of execution that a waiting request waits for", o.Queue, 0, 1000},
		{"gamma", "cost of a second of an idle container", o.Idle, 0, 1000},
		{"delta", "cost of a second of initialisation", o.Start, 0, 1000},
		{"eta", "what it is worth to end a container", o.Reclaim, 0, 1000},
		{"rho", "cost of the square of changes of containers and of starts", o.Smooth, 0, 1000},
	}
}(policy.DefaultMPCOptions())

var femuxParameters = func(o policy.FeMuxOptions) []Parameter {
	return []Parameter{
		{"block_min", "minutes after which forecasters are chosen anew", float64(o.Block), 120, 10080},
		{"cold", "weight of cold starts in RUM; FeMux-CS has 4", o.Cold, 0, 100},
		{"memory", "weight of wasted memory in RUM; FeMux-Mem has 4", o.Memory, 0, 100},
	}
}(policy.DefaultFeMuxOptions())

var spesParameters = func(o policy.SPESOptions) []Parameter {
	return []Parameter{
		{"prewarm_min", "minutes before a predicted invocation that a container is prewarmed", float64(o.Prewarm), 0, 60},
		{"give_up_min", "minutes without an invocation after which most functions are let go", float64(o.GiveUp), 1, 60},
		{"dense_min", "the same of dense functions, and the bound that makes one dense", float64(o.Dense), 1, 60},
		{"pulsed_min", "the same of pulsed functions", float64(o.Pulsed), 1, 60},
	}
}(policy.DefaultSPESOptions())

func inSeconds(v float64) decide.Time { return decide.Time(v * float64(decide.Second)) }
