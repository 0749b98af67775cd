package synthetic

import (
	"math"

	"github.com/incendio-faas/incendio/datasets"
)

// The statistics that a trace is drawn from. "ATC'20" is Shahrad et al., "Serverless in
// the Wild" (USENIX ATC 2020), on all of Azure Functions from 15 to 28 July 2019.

// A knot is a point of a quantile function.
type knot struct{ u, x float64 }

// appRate is the quantile function of an application's invocations per day, linear in
// the logarithm between its knots. Published are 45 % at most one an hour, 81 % at most
// one a minute, and eight orders of magnitude from end to end (ATC'20, Section 3.3 and
// Fig. 5a). The knots above are chosen so that the busiest 18.6 % make 99.6 % of all
// invocations (Fig. 5b); see [Options].Busiest.
var appRate = []knot{{0, 0.06}, {0.2, 4}, {0.45, 24}, {0.81, 1440}, {0.95, 2.2e4}, {0.99, 6e5}, {1, PublishedBusiest}}

// PublishedBusiest is the number of invocations a day of the busiest application with
// which the shares of invocations are those published.
const PublishedBusiest = 8e6

// busyFrom is the knot above which Options.Busiest draws the quantile function in.
const busyFrom = 1440.

// appSize is the distribution of functions per application: 54 % have one, 95 % at
// most ten, 0.04 % more than a hundred (ATC'20, Section 3.2 and Fig. 1).
var appSize = []struct {
	share float64
	size  int
}{
	{0.54, 1}, {0.18, 2}, {0.09, 3}, {0.05, 4}, {0.035, 5}, {0.025, 6}, {0.02, 8}, {0.02, 10}, {0.025, 12}, {0.0146, 16}, {0.0004, 150},
}

// sizeWeight is how far the logarithm of an application's size moves its rank by rate
// against standard normal noise: applications with at most three functions, 81 % of all,
// make half of the invocations (ATC'20, Section 3.2).
const sizeWeight = 0.3

// triggers are the shares of functions and of invocations by trigger (ATC'20, Fig. 2;
// those of events, queues and timers also in its text).
var triggers = []triggerShare{
	{datasets.HTTP, 0.550, 0.359},
	{datasets.Queue, 0.152, 0.335},
	{datasets.EventTrigger, 0.022, 0.247},
	{datasets.Orchestration, 0.069, 0.023},
	{datasets.Timer, 0.156, 0.020},
	{datasets.Storage, 0.028, 0.007},
	{datasets.Others, 0.022, 0.010},
}

// A triggerShare is how much of all functions and of all invocations a trigger has.
type triggerShare struct {
	trigger     datasets.Trigger
	functions   float64
	invocations float64
}

// A mix is which groups of triggers an application has.
type mix struct {
	http, timer, other bool
	one                float64 // share of all applications that have one function and are of this mix
	several            float64 // that have several
}

// mixes make 43 % of the applications HTTP only, 13 % timers only, 64 % with some HTTP,
// 29 % with some timer and 16 % with timers and something else (ATC'20, Section 3.2 and
// Fig. 3). How they divide over sizes is not published: applications of one function
// can only be of one group. The fourth mix may have other triggers too.
var mixes = []mix{
	{http: true, one: 0.30, several: 0.13},
	{timer: true, one: 0.11, several: 0.02},
	{other: true, one: 0.13, several: 0.06},
	{http: true, timer: true, several: 0.12},
	{http: true, other: true, several: 0.09},
	{timer: true, other: true, several: 0.04},
}

// Execution times: the log-normal fit of ATC'20, Fig. 7, to the average per function,
// in seconds, cut where a replay would drown in one function.
const (
	executionMu     = -0.38
	executionSigma  = 2.36
	executionMin    = 0.001 // the resolution of the public trace
	executionMax    = 60.0  // 96 % of the functions take less on average (ATC'20, Section 3.4)
	executionMaxHot = 4.0   // for functions invoked more than once a minute
)

// Memory of applications in MB: the Burr fit of ATC'20, Fig. 8, to the average, cut at
// what the platform allowed to an application of the consumption plan.
const (
	memoryC      = 11.652
	memoryK      = 0.221
	memoryLambda = 107.083
	memoryMaxMB  = 1536
)

// burrQuantile is the inverse of F(x) = 1 - (1 + (x/lambda)^c)^-k, for memory in MB.
func burrQuantile(u float64) float64 {
	return memoryLambda * math.Pow(math.Pow(1-u, -1/memoryK)-1, 1/memoryC)
}

// people is the share of invocations, timers apart, that follow people: the total has a
// baseline of about half of its peak that does not vary (ATC'20, Section 3.3 and Fig. 4).
const people = 0.5

// periods of timers in minutes; all divide a day or are multiples of one.
var periods = []int{1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1440, 2880, 10080}

// perMinute is how often timers fire that do so more than once a minute: 5 % of the
// timers (ATC'20, Section 3.2).
var perMinute = []int{2, 3, 4, 6, 12, 30, 60}

// quantile interpolates the logarithm of a quantile function.
func quantile(knots []knot, u float64) float64 {
	for i := 1; i < len(knots); i++ {
		if a, b := knots[i-1], knots[i]; u <= b.u {
			return a.x * math.Pow(b.x/a.x, (u-a.u)/(b.u-a.u))
		}
	}
	return knots[len(knots)-1].x
}

// normalQuantile is the inverse of the standard normal CDF.
func normalQuantile(u float64) float64 { return math.Sqrt2 * math.Erfinv(2*u-1) }
