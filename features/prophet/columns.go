package prophet

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Columns are what a model may need to know of times besides the clock. Each slice has
// one value per time. The zero value knows nothing more.
type Columns struct {
	// Cap and Floor bound a logistic trend, in units of y; nil means those of the model.
	Cap, Floor []float64
	// Conditions by name. One that is absent and called monday, …, sunday, weekday
	// (Monday to Friday) or weekend holds on those days, UTC.
	Conditions map[string][]bool
	// Regressors by name, as they were before standardisation.
	Regressors map[string][]float64
}

// Len reports a column that has not n values.
func (c Columns) Len(n int) error {
	check := func(what string, has int) error {
		if has != n {
			return fmt.Errorf("prophet: %s has %d values for %d times: must be as many", what, has, n)
		}
		return nil
	}
	if c.Cap != nil {
		if err := check("cap", len(c.Cap)); err != nil {
			return err
		}
	}
	if c.Floor != nil {
		if err := check("floor", len(c.Floor)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Conditions)) {
		if err := check(fmt.Sprintf("condition %q", name), len(c.Conditions[name])); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Regressors)) {
		if err := check(fmt.Sprintf("regressor %q", name), len(c.Regressors[name])); err != nil {
			return err
		}
	}
	return nil
}

// Holds reports whether the condition holds at times[i], t. It is false for a condition
// that is neither a column nor one of the calendar.
func (c Columns) Holds(condition string, i int, t time.Time) bool {
	if column, ok := c.Conditions[condition]; ok {
		return column[i]
	}
	return calendar(condition, t)
}

// CalendarCondition reports whether name is a condition that follows from the day.
func CalendarCondition(name string) bool {
	if name == "weekday" || name == "weekend" {
		return true
	}
	_, ok := weekdays[name]
	return ok
}

var weekdays = map[string]time.Weekday{
	"monday": time.Monday, "tuesday": time.Tuesday, "wednesday": time.Wednesday, "thursday": time.Thursday,
	"friday": time.Friday, "saturday": time.Saturday, "sunday": time.Sunday,
}

// calendar reports whether the calendar condition holds at t.
func calendar(name string, t time.Time) bool {
	day := t.UTC().Weekday()
	free := day == time.Saturday || day == time.Sunday
	switch name {
	case "weekday":
		return !free
	case "weekend":
		return free
	}
	want, ok := weekdays[name]
	return ok && day == want
}

// At returns the values of each column at the given numbers.
func (c Columns) At(rows []int) Columns {
	out := Columns{Cap: pick(c.Cap, rows), Floor: pick(c.Floor, rows)}
	if c.Conditions != nil {
		out.Conditions = map[string][]bool{}
		for name, v := range c.Conditions {
			out.Conditions[name] = pick(v, rows)
		}
	}
	if c.Regressors != nil {
		out.Regressors = map[string][]float64{}
		for name, v := range c.Regressors {
			out.Regressors[name] = pick(v, rows)
		}
	}
	return out
}

// pick returns the values at the given numbers, nil of nil.
func pick[T any](values []T, at []int) []T {
	if values == nil {
		return nil
	}
	out := make([]T, len(at))
	for i, j := range at {
		out[i] = values[j]
	}
	return out
}
