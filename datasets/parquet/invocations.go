package parquet

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"time"

	"github.com/incendio-faas/incendio/datasets"
)

func invocationsFile(day int) string {
	return filepath.Join(invocationsDir, fmt.Sprintf("day=%03d.parquet", day))
}

// invocationRows are rows of the table of single invocations. Arrivals are microseconds
// since the trace's first midnight, durations microseconds or -1 where they are unknown.
type invocationRows struct {
	function          []int32
	arrival, duration []int64
}

func (r *invocationRows) columns() []Column {
	return []Column{{"function", r.function}, {"arrival", r.arrival}, {"duration", r.duration}}
}

func (r *invocationRows) add(inv datasets.Invocation) {
	r.function = append(r.function, int32(inv.Function))
	r.arrival = append(r.arrival, int64(inv.Arrival/datasets.Resolution))
	r.duration = append(r.duration, int64(inv.Duration/datasets.Resolution))
}

func (r *invocationRows) clear() {
	r.function, r.arrival, r.duration = r.function[:0], r.arrival[:0], r.duration[:0]
}

// writeInvocations writes the invocations of a day, shifted by a number of days, and
// returns their tally.
func writeInvocations(fs files, path string, day, shift int, seq iter.Seq2[datasets.Invocation, error]) (_ *datasets.Tally, err error) {
	var rows invocationRows
	days := sameDay(day, rowGroupRows)
	out, err := createFile(fs, path, dated(days, rows.columns()))
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := out.close(err == nil); err == nil {
			err = cerr
		}
	}()
	tally := datasets.NewTally(day)
	for inv, err := range seq {
		if err != nil {
			return nil, err
		}
		inv.Arrival += time.Duration(shift) * datasets.MinutesPerDay * time.Minute
		if err := tally.Add(inv); err != nil {
			return nil, err
		}
		if rows.add(inv); len(rows.function) == rowGroupRows {
			if err := out.group(dated(days, rows.columns())); err != nil {
				return nil, err
			}
			rows.clear()
		}
	}
	if len(rows.function) > 0 {
		return tally, out.group(dated(days, rows.columns()))
	}
	return tally, nil
}

// DayInvocations implements [datasets.InvocationSource]. A row group outside w is not
// read.
func (s *source) DayInvocations(ctx context.Context, day int, w datasets.Window) (iter.Seq2[datasets.Invocation, error], bool) {
	if day < 0 || day >= len(s.days) || s.days[day].InvocationsSHA256 == "" {
		return nil, false
	}
	return func(yield func(datasets.Invocation, error) bool) {
		if err := s.eachInvocation(ctx, day, w, func(inv datasets.Invocation) bool { return yield(inv, nil) }); err != nil {
			yield(datasets.Invocation{}, err)
		}
	}, true
}

func (s *source) eachInvocation(ctx context.Context, day int, w datasets.Window, yield func(datasets.Invocation) bool) error {
	const minute = int64(time.Minute / datasets.Resolution)
	path := filepath.Join(s.dir, invocationsFile(day))
	in, err := openFile(path, (&invocationRows{}).columns(), s.days[day].Invocations)
	if err != nil {
		return corrupt(err)
	}
	defer in.close()
	if n := in.rows(); n != s.days[day].Invocations {
		return corrupt(fmt.Errorf("%s: %d rows: the manifest says %d", path, n, s.days[day].Invocations))
	}
	from, to := max(int64(w.From), int64(day)*datasets.MinutesPerDay)*minute, min(int64(w.To), int64(day+1)*datasets.MinutesPerDay)*minute
	for g := range in.groups() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !in.may(g, 1, from, to) {
			continue
		}
		columns, err := in.read([]int{g})
		if err != nil {
			return corrupt(err)
		}
		rows := invocationRows{columns[0].Data.([]int32), columns[1].Data.([]int64), columns[2].Data.([]int64)}
		for i, f := range rows.function {
			at, d := rows.arrival[i], rows.duration[i]
			if f < 0 || int(f) >= s.functions || d < -1 || d > int64(datasets.MaxDuration/datasets.Resolution) || i > 0 && at < rows.arrival[i-1] {
				return corrupt(fmt.Errorf("%s: row group %d: row %d: function %d, arrival %d, duration %d: must be one of %d functions, not before the row above and of a duration in [-1, %d]",
					path, g, i, f, at, d, s.functions, datasets.MaxDuration/datasets.Resolution))
			}
			if at < from || at >= to {
				continue
			}
			inv := datasets.Invocation{
				Function: datasets.FunctionID(f),
				Arrival:  time.Duration(at) * datasets.Resolution,
				Duration: time.Duration(d) * datasets.Resolution,
			}
			if !yield(inv) {
				return nil
			}
		}
	}
	return nil
}
