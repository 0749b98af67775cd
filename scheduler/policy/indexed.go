package policy

import "github.com/incendio-faas/incendio/scheduler/index"

// IndexName is the stack of an [index.Index] with the numbers that come with the program, or
// those that are given.
const IndexName = "incendio-index"

// Indexed composes the stack [IndexName]; see [index.New].
func Indexed(o index.Options, rates []float64) (Stack, error) {
	p, err := index.New(o, rates)
	if err != nil {
		return Stack{}, err
	}
	return Stack{Name: IndexName, Dispatcher: p, Pool: p, Placer: p}, nil
}

var indexedRow = checked(Row{
	Name:   IndexName,
	Source: "this project: order, holding, placement, eviction, keep-alive and CPU shares by learned log-linear scores",
}, index.DefaultOptions(), indexFields(), func(_ Site, o index.Options) (Stack, error) { return Indexed(o, nil) })

func indexFields() []field[index.Options] {
	var out []field[index.Options]
	for _, p := range index.Parameters() {
		out = append(out, field[index.Options]{
			Parameter{Name: p.Name, Doc: p.Doc, Low: p.Low, High: p.High},
			func(o *index.Options) float64 { return p.Get(*o) }, func(o *index.Options, v float64) { p.Set(o, v) },
		})
	}
	return out
}
