package rows

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

// Options say how the columns of a generic layout are read.
type Options struct {
	// Columns maps documented names to those that the files use; an empty name says
	// that the files have no such column. Names that are not here are as documented,
	// or differ from that in upper and lower case alone. Default none.
	Columns map[string]string `mapstructure:"columns" json:"columns"`

	// Start is the date, a midnight UTC, from which days, minutes and seconds that are
	// numbers count. By default 1 January 1970, so that Unix times are right.
	Start time.Time `mapstructure:"start" json:"start"`

	// Seed of the assumed start costs. Default 1.
	Seed uint64 `mapstructure:"seed" json:"seed"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	return Options{Start: time.Unix(0, 0).UTC(), Seed: 1}
}

// Validate reports options that cannot be used with these columns.
func (o Options) Validate(columns []Column) error {
	var err error
	var known []string
	for _, c := range columns {
		known = append(known, c.Name)
	}
	var names []string
	for name := range o.Columns {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if !slices.Contains(known, name) {
			err = errors.Join(err, fmt.Errorf("columns: %q: must be one of %s", name, strings.Join(known, ", ")))
		}
	}
	if !o.Start.Equal(o.Start.UTC().Truncate(24*time.Hour)) || o.Start.Unix() < 0 || o.Start.Unix() >= endOfTime {
		err = errors.Join(err, fmt.Errorf("start must be a midnight UTC from 1970 to 9999, got %v", o.Start))
	}
	return err
}

// Parameters is the canonical form of the options that a trace depends on.
func (o Options) Parameters() string {
	var parts []string
	for name, column := range o.Columns {
		parts = append(parts, fmt.Sprintf("%s=%q", name, column))
	}
	sort.Strings(parts)
	return fmt.Sprintf("columns={%s} start=%s seed=%d start_costs=%d",
		strings.Join(parts, " "), o.Start.UTC().Format(time.DateOnly), o.Seed, datasets.StartCostVersion)
}

// Origin is a note on the dates of a trace whose rows do not tell them.
func (o Options) Origin(c *Clock) []string {
	switch {
	case c.Dated() && c.early > 0:
		return []string{"dates are of the seventies, where seconds that were taken for milliseconds lie, and times without a date"}
	case c.Dated():
		return nil
	}
	notes := []string{"rows have numbers for times and no date; they count from " + o.Start.UTC().Format(time.DateOnly)}
	const few = 3 // that are whole hours by chance
	if c.rows > few && c.grain%60 == 0 {
		notes = append(notes, fmt.Sprintf("all minutes are multiples of %d: seconds that were taken for minutes are too, and so are hours", c.grain))
	}
	return notes
}
