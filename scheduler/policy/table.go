package policy

import (
	"fmt"
	"slices"
	"strings"
)

// table is the one table of policies that need no bundle, in the order in which they are
// printed. Those that are named for a rule differ from native in the dispatcher alone.
var table = []Row{
	nativeRow, nativePickRow, fcfsRow, localityRow, faascacheRow, lruRow, ttlRow, landlordRow, histogramRow, cidreRow, lassRow, sclRow, oracleRow, clairvoyantRow,
	indexedRow,
	hermodRow, chrluRow, muRow, nightcoreRow, archipelagoRow, rainbowcakeRow,
	knativeRow, hotcRow, icebreakerRow, mpcRow, femuxRow, spesRow,
	randomRule.row(), sjfRule.row(), esffRule.row(), leastSlackRule.row(), densityRule.row(), knapsackRule.row(),
	fifoRow, srptRow, sfsRow, alpsRow,
}

// Rows returns the policies that need no bundle, in the order of tables.
func Rows() []Row { return slices.Clone(table) }

// Parse reads a name of [Rows], and after it parameters as in "native:keep_alive_s=60", any
// number of them. It returns the row and the builder of its stack, which has spec as its
// name.
func Parse(spec string) (Row, func(Site) (Stack, error), error) {
	name, rest, more := strings.Cut(spec, ":")
	i := slices.IndexFunc(table, func(r Row) bool { return r.Name == name })
	if i < 0 {
		names := make([]string, len(table))
		for k, r := range table {
			names[k] = r.Name
		}
		return Row{}, nil, fmt.Errorf("policy %q: must be one of %s", name, strings.Join(names, ", "))
	}
	r := table[i]
	var assignments []string
	if more {
		assignments = strings.Split(rest, ":")
	}
	build, err := r.Build(assignments...)
	if err != nil {
		return Row{}, nil, fmt.Errorf("policy %q: %w", spec, err)
	}
	return r, func(s Site) (Stack, error) {
		stack, err := build(s)
		stack.Name = spec
		return stack, err
	}, nil
}
