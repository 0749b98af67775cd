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
	Columns map[string]string `json:"columns"`

	// Start is the date, a midnight UTC, from which days, minutes and seconds that are
	// numbers count. By default 1 January 1970, so that Unix times are right.
	Start time.Time `json:"start"`

	// Zone is where clocks showed the dates and times that are written without a zone, by
	// its name in the IANA database: Europe/Berlin. Default empty: UTC.
	Zone string `json:"zone,omitempty"`

	// Seed of the assumed start costs. Default 1.
	Seed uint64 `json:"seed"`
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
	if _, zerr := o.location(); zerr != nil {
		err = errors.Join(err, zerr)
	}
	return err
}

// location is the zone, nil for UTC.
func (o Options) location() (*time.Location, error) {
	switch o.Zone {
	case "", "UTC":
		return nil, nil
	case "Local": // is another on every machine
		return nil, fmt.Errorf("zone: %q: must be a name of the IANA database such as Europe/Berlin, or UTC", o.Zone)
	}
	zone, err := time.LoadLocation(o.Zone)
	if err != nil {
		return nil, fmt.Errorf("zone: %q: must be a name of the IANA database such as Europe/Berlin, or UTC", o.Zone)
	}
	return zone, nil
}

// Clock is one for the times of an input. The options must be valid.
func (o Options) Clock() Clock {
	zone, err := o.location()
	if err != nil {
		panic(err)
	}
	return Clock{Start: o.Start, Zone: zone}
}

// Parameters is the canonical form of the options that a trace depends on.
func (o Options) Parameters() string {
	var parts []string
	for name, column := range o.Columns {
		parts = append(parts, fmt.Sprintf("%s=%q", name, column))
	}
	sort.Strings(parts)
	zone := "" // as in traces that were stored before there was one
	if z, err := o.location(); err == nil && z != nil {
		zone = fmt.Sprintf(" zone=%v", z)
	}
	return fmt.Sprintf("columns={%s} start=%s%s seed=%d start_costs=%d",
		strings.Join(parts, " "), o.Start.UTC().Format(time.DateOnly), zone, o.Seed, datasets.StartCostVersion)
}

// Origin is what a clock assumed of the dates of a trace whose rows do not tell all of them.
func (o Options) Origin(c *Clock) (notes []string) {
	if c.Dated() {
		if c.early > 0 {
			notes = append(notes, "dates are of the seventies, where seconds that were taken for milliseconds lie, and times without a date")
		}
		switch {
		case c.naive > 0 && c.Zone == nil:
			notes = append(notes, "times without a zone are taken as UTC; --zone says another")
		case c.naive > 0:
			notes = append(notes, fmt.Sprintf("times without a zone are taken as those of %v", c.Zone))
		}
		if c.twice > 0 {
			notes = append(notes, fmt.Sprintf("of hours that clocks showed twice the first is taken: rows %d", c.twice))
		}
		return notes
	}
	notes = []string{"rows have numbers for times and no date; they count from " + o.Start.UTC().Format(time.DateOnly)}
	const few = 3 // that are whole hours by chance
	if c.rows > few && c.grain%60 == 0 {
		notes = append(notes, fmt.Sprintf("all minutes are multiples of %d: seconds that were taken for minutes are too, and so are hours", c.grain))
	}
	return notes
}
