// Package sinktest is what tests of readers of single invocations read into.
package sinktest

import (
	"errors"
	"fmt"
	"iter"
	"path/filepath"

	"github.com/incendio-faas/incendio/datasets"
)

// A Collector is a [datasets.Sink] that keeps what it is given. It insists that days come
// one after the other, and that a [datasets.Tally] accepts their invocations.
type Collector struct {
	Got      []datasets.Invocation
	Days     int
	Files    map[string]int64 // rows by file
	Rejected []string         // file:line: reason
	Why      []string         // file:line: reason: particulars
}

// Day implements [datasets.Sink]. It is an error.
func (c *Collector) Day(*datasets.Counts) error { return errors.New("not as counts") }

// Invocations implements [datasets.Sink].
func (c *Collector) Invocations(day int, seq iter.Seq2[datasets.Invocation, error]) error {
	if day != c.Days {
		return fmt.Errorf("day %d after %d days", day, c.Days)
	}
	c.Days++
	tally := datasets.NewTally(day)
	for inv, err := range seq {
		if err != nil {
			return err
		}
		if err := tally.Add(inv); err != nil {
			return err
		}
		c.Got = append(c.Got, inv)
	}
	return nil
}

// Rows implements [datasets.Sink].
func (c *Collector) Rows(file string, n int64) error {
	if c.Files == nil {
		c.Files = map[string]int64{}
	}
	c.Files[file] += n
	return nil
}

// Reject implements [datasets.Sink].
func (c *Collector) Reject(reason string, e *datasets.SyntaxError) error {
	at := fmt.Sprintf("%s:%d: %s", filepath.Base(e.File), e.Line, reason)
	c.Rejected = append(c.Rejected, at)
	c.Why = append(c.Why, at+": "+e.Msg)
	return nil
}

// Text names owner, app and function of each invocation, its arrival and its duration.
func (c *Collector) Text(functions []datasets.Function) (out []string) {
	for _, inv := range c.Got {
		f := functions[inv.Function]
		out = append(out, fmt.Sprintf("%s|%s|%s %v %v", f.Owner, f.App, f.Name, inv.Arrival, inv.Duration))
	}
	return out
}
