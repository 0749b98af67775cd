package parquet

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/incendio-faas/incendio/datasets"
)

// measuredFile is what readers have measured of the functions of a trace, see
// [datasets.Joiner]: the columns of and state, whose text is theirs.
const measuredFile = "measured.parquet"

// join hands an input what the stored trace has measured, and returns the known functions
// as it shall see them: without attributes, since these follow from all days. Traces that
// were stored before there was such a file keep theirs.
func (s *Store) join(in datasets.Joiner, name string, base *base, known []datasets.Function) ([]datasets.Function, error) {
	if base == nil {
		return known, nil
	}
	if base.keep > 0 {
		columns, err := readFile(filepath.Join(s.path(name), measuredFile), nil, maxRows)
		if errors.Is(err, fs.ErrNotExist) {
			return known, nil
		}
		if err != nil {
			return nil, corrupt(err)
		}
		state, err := measuredOf(columns)
		if err != nil {
			return nil, corrupt(err)
		}
		if err := in.Join(state); err != nil {
			return nil, corrupt(err)
		}
	}
	unknown := make([]datasets.Function, len(known))
	for i, f := range known {
		unknown[i] = datasets.Function{
			ID: f.ID, Owner: f.Owner, App: f.App, Name: f.Name, Trigger: f.Trigger, CPU: datasets.DefaultCPU,
			Assumed: datasets.AssumedCPU | datasets.AssumedMemory | datasets.AssumedExecution | datasets.AssumedStartCost,
		}
		if base.keep == 0 { // all rows are read again
			unknown[i].Trigger = datasets.Others
		}
	}
	return unknown, nil
}

func measuredOf(columns []Column) ([]datasets.Measured, error) {
	if len(columns) == 2 {
		of, ok1 := columns[0].Data.([]string)
		state, ok2 := columns[1].Data.([]string)
		if ok1 && ok2 {
			out := make([]datasets.Measured, len(of))
			for i := range out {
				out[i] = datasets.Measured{Of: of[i], State: state[i]}
			}
			return out, nil
		}
	}
	return nil, errors.New(measuredFile + ": expected the columns of and state, of strings")
}

// keepMeasured writes what an input has measured.
func (w *writer) keepMeasured(in datasets.Joiner) error {
	measured, err := in.Measured()
	if err != nil {
		return err
	}
	of, state := make([]string, len(measured)), make([]string, len(measured))
	for i, m := range measured {
		of[i], state[i] = m.Of, m.State
	}
	return writeFile(w.fs, filepath.Join(w.dir, measuredFile), []Column{{"of", of}, {"state", state}})
}
