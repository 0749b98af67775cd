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

func inSeconds(v float64) decide.Time { return decide.Time(v * float64(decide.Second)) }
