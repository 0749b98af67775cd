package pipelines

import (
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/export/provenance"
	"github.com/incendio-faas/incendio/pipelines/steps/export"
	"github.com/incendio-faas/incendio/pipelines/steps/validate"
)

// attest writes beside the candidate in dir where it comes from, and what v says of it. The
// registry takes that along with the bundle.
func (r *Run) attest(dir string, v *validate.Validation) error {
	b, err := bundle.Open(dir, bundle.Policy{})
	if err != nil {
		return err
	}
	if b.Digest() != v.Bundle {
		return fmt.Errorf("%s holds the bundle %.12s, and %.12s was judged: %w", dir, b.Digest(), v.Bundle, bundle.ErrIntegrity)
	}
	trace, splits := r.material.Trace, r.material.Splits
	at := func(minute int) string { return trace.Time(minute).UTC().Format(time.RFC3339) }
	run := provenance.Run{
		ID: r.ID, Program: r.env.Version, Platform: runtime.GOOS + "/" + runtime.GOARCH, Build: r.env.Build,
		Data: []provenance.Data{{
			Name: trace.Name, Digest: trace.Digest, Format: trace.Format, Functions: len(trace.Functions), Invocations: r.material.Invocations,
			Description: fmt.Sprintf("fitted on %s to %s, chosen on until %s", at(splits.Train.From), at(splits.Train.To), at(splits.Valid.To)),
		}},
		Card: provenance.Card{
			Judged:  fmt.Sprintf("on %s to %s of the trace %s", at(splits.Test.From), at(splits.Test.To), trace.Name),
			Verdict: v.Verdict, Reason: v.Reason, Champion: v.Champion, Rules: v.Rules, Limits: export.Limits(trace),
		},
	}
	for _, c := range v.Comparisons {
		if value := float64(c.Ratio); !math.IsNaN(value) && !math.IsNaN(float64(c.CI95[0])) && !math.IsNaN(float64(c.CI95[1])) {
			run.Card.Ratios = append(run.Card.Ratios, provenance.Ratio{
				Other: c.Other, Scope: fmt.Sprintf("%s, %d min ahead", c.Scope, c.Horizon),
				Value: value, Low: float64(c.CI95[0]), High: float64(c.CI95[1]),
			})
		}
	}
	return provenance.Write(dir, b, run, r.publisher.key)
}
