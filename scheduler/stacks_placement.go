package scheduler

import "github.com/incendio-faas/incendio/scheduler/policy"

// placements are the stacks that are known for where a request goes, and for what an
// invoker or a pool of them does with it.
var placements = []Row{
	{
		Name: "hermod", Source: "Kaffes et al., Hermod, SoCC 2022: early binding, packed at low load and spread at high load",
		Parameters: []Parameter{keepAlive, {"pack", "load per core up to which an invoker is packed", 1, 0, 4}},
		build: func(_ Setting, value func(string) float64) Stack {
			return compose(policy.Hermod(seconds(value, keepAlive), value("pack")))
		},
	},
	{
		Name: "chrlu", Source: "Fuerst and Sharma, CH-RLU, HPDC 2022: consistent hashing with bounded loads and random load updates",
		Parameters: chrluParameters,
		build: func(s Setting, value func(string) float64) Stack {
			return compose(policy.CHRLU(s.Profiles, s.Invokers, policy.CHRLUOptions{
				Keep: seconds(value, keepAlive), Bound: value("bound"), Popular: value("popular"), VNodes: int(value("vnodes")),
			}, s.seed))
		},
	},
	{
		Name: "mu", Source: "Mittal et al., Mu, SoCC 2021: shortest known queue, predictive autoscaling, fair division of memory", Reconstruction: true,
		Parameters: muParameters,
		build: func(s Setting, value func(string) float64) Stack {
			return compose(policy.Mu(s.Profiles, s.Invokers, policy.MuOptions{
				Keep: seconds(value, keepAlive), Utilisation: value("utilisation"), CountSent: value("count_sent") >= 0.5,
			}))
		},
	},
	{
		Name: "nightcore", Source: "Jia and Witchel, Nightcore, ASPLOS 2021: managed concurrency, as much as the load needs",
		Parameters: nightcoreParameters,
		build: func(s Setting, value func(string) float64) Stack {
			return compose(policy.Nightcore(s.Profiles, policy.NightcoreOptions{Keep: seconds(value, keepAlive), Gain: value("gain")}))
		},
	},
	{
		Name: "archipelago", Source: "Singhvi et al., Archipelago, 2019: pools with schedulers of their own, least slack first, proactive sandboxes", Reconstruction: true,
		Parameters: archipelagoParameters,
		build: func(s Setting, value func(string) float64) Stack {
			stack := compose(policy.Archipelago(s.Profiles, s.Invokers, policy.ArchipelagoOptions{
				Pools: int(value("pools")), Slack: value("slack"), Quantile: value("quantile"), ScaleOut: value("scale_out"),
			}, s.seed))
			stack.CPUShare = 1 // an invocation has its CPU to itself

			return stack
		},
	},
}

var chrluParameters = func(o policy.CHRLUOptions) []Parameter {
	return []Parameter{
		keepAlive,
		{"bound", "load per core up to which an invoker takes requests", o.Bound, 0.1, 100},
		{"popular", "share of the functions that are popular", o.Popular, 0, 1},
		{"vnodes", "points of an invoker on the ring", float64(o.VNodes), 1, 1000},
	}
}(policy.DefaultCHRLUOptions())

var muParameters = func(o policy.MuOptions) []Parameter {
	keep := keepAlive
	keep.Default = o.Keep.Seconds()
	return []Parameter{
		keep,
		{"utilisation", "share of its time that a container shall execute", o.Utilisation, 0.1, 1},
		{"count_sent", "1: the gateway adds what it has sent since the last response; 0: it does not", 0, 0, 1},
	}
}(policy.DefaultMuOptions())

var nightcoreParameters = func(o policy.NightcoreOptions) []Parameter {
	return []Parameter{
		keepAlive,
		{"gain", "weight of a new measurement in the moving averages", o.Gain, 1e-4, 1},
	}
}(policy.DefaultNightcoreOptions())

var archipelagoParameters = func(o policy.ArchipelagoOptions) []Parameter {
	return []Parameter{
		{"pools", "into which the invokers are divided", float64(o.Pools), 1, 1000},
		{"slack", "of a request, as a multiple of its expected execution", o.Slack, 0, 100},
		{"quantile", "share of the moments in which the sandboxes shall suffice", o.Quantile, 0.5, 0.9999},
		{"scale_out", "queueing delay over slack above which an application gets one more pool", o.ScaleOut, 0.05, 10},
	}
}(policy.DefaultArchipelagoOptions())
