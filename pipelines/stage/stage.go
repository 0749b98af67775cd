package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"strings"
)

// A Stage is one step of a job, see [New].
type Stage struct {
	Name    string
	Inputs  []string // paths in the folder of the job; a folder stands for all files in it
	Outputs []string // the same

	code  string                         // package that the work stands in
	given func() ([]byte, runner, error) // encoded, and the work on it
}

// A runner is work that was given what it needs.
type runner func(ctx context.Context, at *Place) (Outcome, error)

// Work makes the outputs of a stage from its inputs and from given, and has no other
// effect. It must be a function of a package or a method, not a value of another package.
type Work[G any] func(ctx context.Context, at *Place, given G) (Outcome, error)

// New returns a stage. When it is due, given is called once: its result is encoded as JSON
// for the key, and handed to the work. A value that has anything outside its JSON, such as
// a field that is not exported and not zero, is refused; what is too large for a key but has
// a digest goes into a [Named].
func New[G any](name string, inputs, outputs []string, given func() (G, error), work Work[G]) Stage {
	return Stage{
		Name: name, Inputs: inputs, Outputs: outputs, code: packageOf(work),
		given: func() ([]byte, runner, error) {
			g, err := given()
			if err == nil {
				err = complete(reflect.ValueOf(&g).Elem(), "given")
			}
			if err != nil {
				return nil, nil, err
			}
			data, err := json.Marshal(g)
			return data, func(ctx context.Context, at *Place) (Outcome, error) { return work(ctx, at, g) }, err
		},
	}
}

// Always is what a stage is given that is known beforehand.
func Always[G any](g G) func() (G, error) { return func() (G, error) { return g, nil } }

// A Named value stands in a key by its name, which must tell it from all others: a digest
// of its content.
type Named[T any] struct {
	Value T
	Name  any // encodes as JSON
}

// MarshalJSON implements [json.Marshaler].
func (n Named[T]) MarshalJSON() ([]byte, error) { return json.Marshal(n.Name) }

// An Outcome says what a stage made.
type Outcome struct {
	Rows      int64    `json:"rows"`    // 0 where rows are not what it makes
	Summary   string   `json:"summary"` // in words
	Warnings  []string `json:"warnings,omitempty"`
	Fallbacks int      `json:"fallbacks,omitempty"` // items that an error or a limit forced to something simpler
}

// packageOf is the import path of the package that a function stands in.
func packageOf(f any) string {
	name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name() // "a.b/c/d.(*T).M-fm", "a.b/c/d.F"
	slash := strings.LastIndexByte(name, '/') + 1
	dot := strings.IndexByte(name[slash:], '.')
	return name[:slash+dot]
}

var marshaler = reflect.TypeFor[json.Marshaler]()

// complete reports what of a value its JSON leaves out.
func complete(v reflect.Value, at string) error {
	t := v.Type()
	if t.Implements(marshaler) || reflect.PointerTo(t).Implements(marshaler) {
		return nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return complete(v.Elem(), at)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := complete(v.Index(i), fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if err := complete(v.MapIndex(k), fmt.Sprintf("%s[%v]", at, k)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			name := at + "." + f.Name
			if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); !f.IsExported() && !f.Anonymous || tag == "-" {
				if !v.Field(i).IsZero() {
					return fmt.Errorf("%s is no part of the JSON of %v, so the key would not see it", name, t)
				}
				continue
			}
			if err := complete(v.Field(i), name); err != nil {
				return err
			}
		}
	case reflect.Func, reflect.Chan, reflect.Interface, reflect.UnsafePointer:
		if !v.IsZero() {
			return fmt.Errorf("%s is a %v, of which the key sees no content", at, t)
		}
	}
	return nil
}
