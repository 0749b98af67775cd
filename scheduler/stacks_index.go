package scheduler

import (
	"github.com/incendio-faas/incendio/scheduler/index"
)

// IndexName is the stack of an [index.Index] with the numbers that come with the program, or
// those that are given.
const IndexName = "incendio-index"

// indexed is the row of IndexName.
var indexed = Row{
	Name:       IndexName,
	Source:     "this project: order, holding, placement, eviction, keep-alive and CPU shares by learned log-linear scores",
	Parameters: indexParameters(),
	build: func(_ Setting, value func(string) float64) Stack {
		var o index.Options
		for _, p := range index.Parameters() {
			p.Set(&o, value(p.Name))
		}
		s, err := Indexed(o, nil)
		if err != nil {
			panic(err) // the ranges of the table are those of the options
		}
		return s
	},
}

func indexParameters() []Parameter {
	var out []Parameter
	for _, p := range index.Parameters() {
		out = append(out, Parameter{Name: p.Name, Doc: p.Doc, Default: p.Get(index.DefaultOptions()), Low: p.Low, High: p.High})
	}
	return out
}

// Indexed composes the stack [IndexName]; see [index.New].
func Indexed(o index.Options, rates []float64) (Stack, error) {
	p, err := index.New(o, rates)
	if err != nil {
		return Stack{}, err
	}
	return Stack{Name: IndexName, Dispatcher: p, Pool: p, Placer: p}, nil
}
