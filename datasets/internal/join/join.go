// Package join keeps what an input has measured of functions, so that an ingest of later
// days goes on with it: days that are read one by one give the trace that they give
// together.
package join

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/incendio-faas/incendio/datasets"
)

// Costs are what was measured of each function, by its number. T is written as JSON.
// An input that embeds them is a [datasets.Joiner].
type Costs[T any] struct {
	before   []datasets.Measured
	measured []T
}

// Join implements [datasets.Joiner].
func (c *Costs[T]) Join(before []datasets.Measured) error {
	c.before = before
	_, err := c.Begin(0)
	return err
}

// Begin returns what was measured before, for at least n functions.
func (c *Costs[T]) Begin(n int) ([]T, error) {
	costs := make([]T, n)
	for _, m := range c.before {
		id, err := strconv.Atoi(m.Of)
		if err != nil || id < 0 {
			return nil, fmt.Errorf("what was measured of %q: expected the number of a function", m.Of)
		}
		for id >= len(costs) {
			costs = append(costs, *new(T))
		}
		if err := json.Unmarshal([]byte(m.State), &costs[id]); err != nil {
			return nil, fmt.Errorf("what was measured of function %d: %w", id, err)
		}
	}
	return costs, nil
}

// End takes what is measured now.
func (c *Costs[T]) End(costs []T) { c.measured = costs }

// Measured implements [datasets.Joiner].
func (c *Costs[T]) Measured() ([]datasets.Measured, error) {
	all := make([]datasets.Measured, len(c.measured))
	for id := range c.measured {
		text, err := json.Marshal(&c.measured[id])
		if err != nil {
			return nil, err
		}
		all[id] = datasets.Measured{Of: strconv.Itoa(id), State: string(text)}
	}
	return all, nil
}
