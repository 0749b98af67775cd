package scheduler

import (
	"fmt"

	"github.com/incendio-faas/incendio/scheduler/policy"
)

// A Stack is a named composition of the three choices; package policy has those that need no
// bundle.
type Stack = policy.Stack

// Baselines returns the stacks that [Baseline] knows, in the order of tables.
func Baselines() []policy.Row { return policy.Rows() }

// Baseline returns the builder of the stack that spec names: a name of [Baselines], and
// after it parameters as in "native:keep_alive_s=60", any number of them. The stack has
// spec as its name. The seed is for policies that draw, and takes the place of Site.Seed.
func Baseline(spec string, seed uint64) (func(policy.Site) (Stack, error), error) {
	_, build, err := policy.Parse(spec)
	if err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	return func(s policy.Site) (Stack, error) {
		s.Seed = seed
		stack, err := build(s)
		if err != nil {
			return stack, fmt.Errorf("scheduler: %w", err)
		}
		return stack, nil
	}, nil
}
