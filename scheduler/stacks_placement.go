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
	{
		Name: "rainbowcake", Source: "Yu et al., RainbowCake, ASPLOS 2024: containers are taken down by layers, which other functions can start on",
		Parameters: rainbowCakeParameters,
		build: func(s Setting, value func(string) float64) Stack {
			return compose(policy.RainbowCake(s.Profiles, policy.RainbowCakeOptions{
				Quantile: value("quantile"), Alpha: value("alpha"), Literal: value("literal") >= 0.5,
				LanguageMemory: int64(value("language_mb") * (1 << 20)), BareMemory: int64(value("bare_mb") * (1 << 20)),
				UserPart: value("user_part"), LanguagePart: value("language_part"),
			}))
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

var rainbowCakeParameters = func(o policy.RainbowCakeOptions) []Parameter {
	return []Parameter{
		{"quantile", "of the time to the next arrival that a layer is kept for", o.Quantile, 0.01, 0.9999},
		{"alpha", "weight of start-up time against memory", o.Alpha, 0.5, 0.99999},
		{"literal", "1: the bounds of the keep-alive as in the authors' code; 0: the greater of each and a minute", 0, 0, 1},
		{"language_mb", "memory of a language layer, in units of 2^20 bytes", float64(o.LanguageMemory >> 20), 1, 1024},
		{"bare_mb", "memory of a bare layer, in units of 2^20 bytes", float64(o.BareMemory >> 20), 1, 1024},
		{"user_part", "part of an initialisation that the user layer takes", o.UserPart, 0, 0.5},
		{"language_part", "part of an initialisation that the language layer takes", o.LanguagePart, 0, 0.5},
	}
}(policy.DefaultRainbowCakeOptions())
