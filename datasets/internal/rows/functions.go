package rows

import (
	"bytes"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/incendio-faas/incendio/datasets"
)

const (
	// maxKey bounds the bytes of an owner, application or function.
	maxKey = 256

	// maxFunctions bounds what names can take of memory: several times the functions of
	// the Azure trace of 2019 in all its days.
	maxFunctions = 1 << 18
)

// A Key is the cells of a row that name its function; nil where there are none.
type Key struct {
	Owner, App, Name []byte
	Trigger          []byte // no part of the name
	Line             int    // of the row, for notes on its trigger
}

// Functions numbers the functions of an input in order of first appearance.
type Functions struct {
	Triggers

	table   []datasets.Function
	index   map[string]datasets.FunctionID
	scratch []byte

	lastKey []byte // rows of one function often follow each other
	last    datasets.FunctionID
}

// NewFunctions returns the table of the functions that are known already.
func NewFunctions(known []datasets.Function) *Functions {
	f := &Functions{table: slices.Clone(known), index: make(map[string]datasets.FunctionID, len(known))}
	for _, k := range known {
		f.index[string(f.join(Key{Owner: []byte(k.Owner), App: []byte(k.App), Name: []byte(k.Name)}))] = k.ID
	}
	return f
}

// join writes the parts of a key one after the other, ended by a byte that is no UTF-8.
func (f *Functions) join(k Key) []byte {
	b := append(append(f.scratch[:0], k.Owner...), 0xff)
	b = append(append(b, k.App...), 0xff)
	f.scratch = append(b, k.Name...)
	return f.scratch
}

// ID finds the function of a row, or adds it.
func (f *Functions) ID(k Key) (datasets.FunctionID, Fault) {
	joined := f.join(k)
	if bytes.Equal(joined, f.lastKey) {
		f.Join(&f.table[f.last], k.Trigger, k.Line)
		return f.last, Fault{}
	}
	id, ok := f.index[string(joined)]
	if !ok {
		added, fault := f.add(k)
		if fault.Reason != "" {
			return 0, fault
		}
		id = added
		f.index[string(joined)] = id
	}
	f.lastKey, f.last = append(f.lastKey[:0], joined...), id
	f.Join(&f.table[id], k.Trigger, k.Line)
	return id, Fault{}
}

func (f *Functions) add(k Key) (datasets.FunctionID, Fault) {
	for _, part := range []struct {
		name string
		text []byte
		need int
	}{{"owner", k.Owner, 0}, {"app", k.App, 0}, {"function", k.Name, 1}} {
		if len(part.text) < part.need || len(part.text) > maxKey || !utf8.Valid(part.text) || bytes.IndexByte(part.text, 0) >= 0 {
			return 0, Fault{BadKey, fmt.Sprintf("%s %.40q: must be %d to %d bytes of UTF-8%s", part.name, part.text, part.need, maxKey, badName(part.text))}
		}
	}
	if len(f.table) == maxFunctions {
		return 0, Fault{BadKey, fmt.Sprintf("function %.40q: more than %d functions", k.Name, maxFunctions)}
	}
	id := datasets.FunctionID(len(f.table))
	f.table = append(f.table, datasets.Function{
		ID: id, Owner: string(k.Owner), App: string(k.App), Name: string(k.Name), Trigger: datasets.Others,
		CPU:     datasets.DefaultCPU,
		Assumed: datasets.AssumedCPU | datasets.AssumedMemory | datasets.AssumedExecution | datasets.AssumedStartCost,
	})
	return id, Fault{}
}

// badName says what is wrong with a part of a key where that cannot be seen.
func badName(text []byte) string {
	switch {
	case !utf8.Valid(text):
		return ", which this is not (Windows-1252 or Latin-1? save the file as UTF-8)"
	case len(text) > maxKey:
		return fmt.Sprintf(", and this has %d", len(text))
	case bytes.IndexByte(text, 0) >= 0:
		return " without zero bytes"
	}
	return ""
}

// Len is the number of functions.
func (f *Functions) Len() int { return len(f.table) }

// Finish returns the table, with defaults for what nobody has measured: the medians
// of the Azure trace of 2019. Measured, which may be nil, sets what the input knows of
// a function, before start costs are assumed, which depend on memory.
func (f *Functions) Finish(seed uint64, measured func(*datasets.Function)) []datasets.Function {
	for i := range f.table {
		fn := &f.table[i]
		if measured != nil {
			measured(fn)
		}
		if fn.Assumed&datasets.AssumedExecution != 0 {
			fn.Execution = datasets.Constant(datasets.DefaultExecution)
		}
		if fn.Assumed&datasets.AssumedMemory != 0 {
			fn.Memory = datasets.DefaultMemory
		}
		if fn.Assumed&datasets.AssumedStartCost != 0 {
			fn.AssumeStartCost(seed)
		}
	}
	return f.table
}
