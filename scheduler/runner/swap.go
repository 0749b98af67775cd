package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/incendio-faas/incendio/scheduler"
)

// open returns the models of the bundle that ref names, and its digest.
func (r *Runner) open(ref string) (*scheduler.Models, string, error) {
	b, err := r.o.Registry.Open(ref, r.o.Trust(r.now()))
	if err != nil {
		return nil, "", err
	}
	m, err := scheduler.Use(b)
	return m, b.Digest(), err
}

// Swap opens the bundle that ref names and lets it decide from now on. After an error the one
// that runs goes on.
func (r *Runner) Swap(ctx context.Context, ref string) error {
	if r.o.Registry == nil {
		return errors.New("runner: there is no registry to swap from")
	}
	m, digest, err := r.open(ref)
	if err != nil {
		return fmt.Errorf("runner: swap: %w", err)
	}
	return r.inside(ctx, func() error {
		err := r.swap(r.now(), digest, m)
		if err == nil {
			r.o.Metrics.Add(swaps, "", 1)
			r.o.Log.Info("bundle swapped in", "bundle", digest)
		}
		return err
	})
}

// follow swaps to what Options.Ref names, whenever that changes.
func (r *Runner) follow() {
	failed := "" // not to be logged again
	for {
		fired, giveUp := r.o.Clock.After(r.o.Follow)
		select {
		case <-fired:
		case <-r.ctx.Done():
			giveUp()
			return
		}
		digest, err := r.o.Registry.Alias(r.o.Ref)
		if err == nil && digest != *r.running.Load() {
			err = r.Swap(r.ctx, digest)
		}
		switch {
		case err == nil:
			failed = ""
		case r.ctx.Err() == nil && err.Error() != failed:
			failed = err.Error()
			r.o.Log.Error("the bundle stays", "ref", r.o.Ref, "bundle", *r.running.Load(), "error", err)
		}
	}
}
