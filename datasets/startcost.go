package datasets

import (
	"hash/fnv"
	"math"
	"time"

	"github.com/incendio-faas/incendio/internal/seed"
)

// startCosts is the median time to initialise a container by the size of its memory,
// from published measurements of cold and warm invocations of the same functions.
//
// The measurements are those of Copik et al., "SeBS" (Middleware 2021), of the uploader
// in Python and the thumbnailer in Python and Node.js on AWS Lambda and Google Cloud
// Functions, with about 200 cold and 200 warm invocations of each at each size, and
// runs of Kim and Lee's "FunctionBench" (CLOUD 2019), twelve functions in containers of
// 512 MB on one machine of the platform Ilúvatar (Fuerst et al., HPDC 2023), five cold
// and 25 warm. The initialisation of a function on a platform is the median of its cold
// invocations less the median of its warm ones, as the client saw them; that of a
// platform is the median over its functions; and that of a size is the geometric mean
// over the three platforms, the one machine counting alike at every size:
//
//	memory    AWS    GCP   one machine   geometric mean
//	128 MB   6148   1968         1335             2528 ms
//	256 MB   3014   2729         1335             2223 ms
//	512 MB   1600   3526         1335             1960 ms
//	1 GB      992   3998         1335             1743 ms
//	2 GB      827   3901         1335             1627 ms
//
// That less memory makes a slower start is the clouds' doing: the share of the CPU grows
// with the memory that a function is given. Sizes that were measured on AWS alone (1.5
// and 3 GB) are left out, and so is SeBS's image recognition, which does not run in less
// than 512 MB and takes 6 to 19 s because it loads PyTorch. testdata/startcosts.csv has
// the medians one by one.
var startCosts = []struct {
	memory  float64 // MB of 2^20 bytes
	typical time.Duration
}{
	{128, 2528 * time.Millisecond},
	{256, 2223 * time.Millisecond},
	{512, 1960 * time.Millisecond},
	{1024, 1743 * time.Millisecond},
	{2048, 1627 * time.Millisecond},
}

const (
	// startCostSigma is how far the measured functions lie from the table: the root of
	// the mean square of the logarithm of the ratio, over functions, platforms and sizes.
	startCostSigma = 0.62

	// TerminationPerInit is the ratio of the times to end and to create a container in
	// the paper on Incendio, Fig. 4.
	TerminationPerInit = 0.6
)

// StartCostNote says where assumed start costs come from, for [Provenance].Notes.
const StartCostNote = "start costs are assumed: initialisation as SeBS and FunctionBench measured it for the size of the memory, " +
	"with a log-normal factor per function, and 0.6 of it for termination"

// StartCostVersion numbers the rules of [Function.AssumeStartCost], for
// [Provenance].Parameters: what was read under other rules is other content.
const StartCostVersion = 2

// AssumeStartCost sets the initialisation and termination times of a function whose
// trace did not measure them, and marks them as assumed:
//
//	initialisation = typical(memory) * exp(0.62 z),  termination = 0.6 * initialisation
//
// typical is the measured median for the size of the memory, interpolated linearly
// between the logarithms of sizes and times and constant below 128 MB and above 2 GB; at
// the median of the Azure trace, 170 MB, it is 2.4 s. z is standard normal, drawn once
// per function from rnd and from the function's key (owner, app, name) rather than from
// its row, so that it stays the same when the trace grows. Memory must be set before.
func (f *Function) AssumeStartCost(rnd uint64) {
	h := fnv.New64a()
	for _, s := range []string{f.Owner, f.App, f.Name} {
		h.Write([]byte(s)) // a hash never returns an error
		h.Write([]byte{0})
	}
	z := seed.Normal(seed.Key(rnd, "start cost"), h.Sum64())
	d := time.Duration(typicalStart(f.Memory) * math.Exp(startCostSigma*z)).Truncate(time.Microsecond)
	f.Initialisation = Constant(d)
	f.Termination = Constant(time.Duration(TerminationPerInit * float64(d)).Truncate(time.Microsecond))
	f.Assumed |= AssumedStartCost
}

// typicalStart is the median initialisation, in nanoseconds, with memory in bytes.
func typicalStart(memory int64) float64 {
	mb := float64(memory) / (1 << 20)
	last := len(startCosts) - 1
	mb = min(max(mb, startCosts[0].memory), startCosts[last].memory)
	for i := 0; ; i++ {
		if a, b := startCosts[i], startCosts[i+1]; mb <= b.memory {
			share := math.Log(mb/a.memory) / math.Log(b.memory/a.memory)
			return float64(a.typical) * math.Pow(float64(b.typical)/float64(a.typical), share)
		}
	}
}
