package sim

import (
	"hash/fnv"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/seed"
)

// languages are the shares of applications by language, cumulated. No public trace says
// what its functions are written in. Of users of AWS Lambda 47 % mostly run Python and
// 39 % Node.js (Datadog, The State of Serverless, 2020); the rest is divided here between
// Java and all others, which count as one.
var languages = []float64{0.47, 0.86, 0.93, 1}

var languageKey = seed.Key(0, "language")

// language is the number of the language that f is assumed to be written in: that of its
// application, drawn by the hash of its name.
func language(f *datasets.Function) int32 {
	h := fnv.New64a()
	for _, part := range []string{f.Owner, f.App} {
		h.Write([]byte(part)) // a hash never returns an error
		h.Write([]byte{0})
	}
	u := seed.Uniform(languageKey, h.Sum64())
	n := int32(0)
	for u >= languages[n] {
		n++
	}
	return n
}
