// Package option says which options are out of range, all of them, each under its key: so
// that who reads them from somewhere can say where.
package option

import (
	"errors"
	"fmt"
)

// An Error is an option that is out of range, or that an error is about.
type Error struct {
	Package string // that has the option, for a message that stands alone; may be empty
	Key     string // with dots: "trees.num_leaves"
	Rule    string // "must be at least 2, got 1"
	Err     error  // instead of a rule
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Key
	if e.Package != "" {
		s = e.Package + ": " + s
	}
	if e.Err != nil {
		return s + ": " + e.Err.Error()
	}
	return s + " " + e.Rule
}

// Unwrap returns the error that e has instead of a rule, or nil.
func (e *Error) Unwrap() error { return e.Err }

// A Check gathers errors. The zero value is ready to use.
type Check struct {
	Package string // of the errors
	errs    []error
}

// That notes that the option named key breaks its rule, unless it holds.
func (c *Check) That(holds bool, key, rule string, args ...any) {
	if !holds {
		c.errs = append(c.errs, &Error{Package: c.Package, Key: key, Rule: fmt.Sprintf(rule, args...)})
	}
}

// Note notes an error about the option named key, unless it is nil.
func (c *Check) Note(key string, err error) {
	if err != nil {
		c.errs = append(c.errs, &Error{Package: c.Package, Key: key, Err: err})
	}
}

// Within notes the errors of a section, each under the key of the section and its own.
func (c *Check) Within(section string, err error) {
	for _, e := range Errors(err) {
		if o, ok := e.(*Error); ok {
			c.errs = append(c.errs, &Error{Package: c.Package, Key: section + "." + o.Key, Rule: o.Rule, Err: o.Err})
		} else {
			c.Note(section, e)
		}
	}
}

// Err returns all that was noted, one a line, or nil.
func (c *Check) Err() error { return errors.Join(c.errs...) }

// Errors are the parts of an error that was joined of several, of a nil one none.
func Errors(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, Errors(e)...)
	}
	return out
}
