package scheduler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/incendio-faas/incendio/internal/strictjson"
)

// A component is a part of a bundle for the run time, in a file of its own: which files it
// has, how they are read and written, and the cases that prove a reader right. A new one
// is such a file, a line in components, and a field of [Models] and of [Golden] each.
type component struct {
	name  string
	load  func(m *Models, files readFile) error        // nil: it has no file
	files func(m *Models, out map[string][]byte) error // nil: it has no file
	check func(m *Models) error                        // and prepares m; nil: load has done so

	// golden answers inputs with m, and replay reports the first case that m answers
	// otherwise; nil: the component computes nothing.
	golden func(m *Models, in goldenInput, g *Golden) error
	replay func(m *Models, g *Golden) error
	since  int // the version of the cases from which on there are some
}

// components in the order in which they are read, and in which golden cases are drawn.
var components = []component{forecastComponent, priorityComponent, functionsComponent, agentsComponent, slicesComponent, indexComponent, decisionsComponent}

// readFile returns the content of a file of a bundle by its name.
type readFile = func(name string) ([]byte, error)

// goldenInput is what golden cases are made from.
type goldenInput struct {
	src    *rand.Rand
	start  time.Time // the midnight UTC of minute 0
	minute int       // at which counts begin
}

// goldenTolerance is relative: machines differ in whether they round between a
// product and a sum.
const goldenTolerance = 1e-5

func near(got, want float64) bool {
	return math.Abs(got-want) <= goldenTolerance*max(1, math.Abs(want))
}

func decodeFile(files readFile, name string, to any) error {
	data, err := files(name)
	if err != nil {
		return err
	}
	if err := strictjson.Decode(data, to); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func encodeFile(out map[string][]byte, name string, v any) (err error) {
	if out[name], err = encodeJSON(v); err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return nil
}

func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(v)
	return b.Bytes(), err
}
