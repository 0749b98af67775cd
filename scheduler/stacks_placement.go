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
}

var chrluParameters = func(o policy.CHRLUOptions) []Parameter {
	return []Parameter{
		keepAlive,
		{"bound", "load per core up to which an invoker takes requests", o.Bound, 0.1, 100},
		{"popular", "share of the functions that are popular", o.Popular, 0, 1},
		{"vnodes", "points of an invoker on the ring", float64(o.VNodes), 1, 1000},
	}
}(policy.DefaultCHRLUOptions())
