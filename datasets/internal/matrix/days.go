package matrix

import (
	"context"
	"io"
	"slices"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/cost"
	"github.com/incendio-faas/incendio/internal/parallel"
)

// A File is one day of one metric.
type File struct {
	Name    string // of the source file, as its rows are counted
	Path    string // for messages
	Open    func(context.Context) (io.ReadCloser, error)
	Outline *Outline
	Values  Values
	Use     Use
}

// A Use says what the cells of a file are for. The metrics of a trace are numbered from
// 0, those that count and those that are measured each for themselves.
type Use struct {
	Counts bool // they count, and are summed by minute; otherwise they are measured
	Metric int

	// By is the metric of counts by which a measurement is weighted: one in a minute with
	// n invocations stands for n, or for one where none were counted. A measurement of a
	// second stands for a sixtieth of that. With a By of -1 all weigh alike.
	By int

	// Share is the part of the weight that a measurement has, 1 or less: that of a quantile,
	// for instance, is the share of the invocations around it. At least one in 10^6.
	Share float64

	// Positive says that a 0 is no measurement.
	Positive bool
}

// A Day is what the files of one day hold. It is valid until the next one is passed on.
type Day struct {
	Number  int
	Counts  []Table             // by metric; without columns where there is no file
	Samples []map[string]Sample // by metric, and then by function
}

// A Sample is the measurements of one function.
type Sample = *cost.Weighted

// A Table is the counts of one metric by minute and function.
type Table struct {
	Columns []string
	cells   []uint32 // by minute and then by column
}

// at is the count of a minute of the day.
func (t *Table) at(minute, column int) uint32 { return t.cells[minute*len(t.Columns)+column] }

// Fill writes the counts of the day to c; id has the function of each column, of which
// there are some by the end of the day.
func (t *Table) Fill(c *datasets.Counts, id []datasets.FunctionID, functions int) {
	n := len(t.Columns)
	c.Offset = slices.Grow(c.Offset[:0], functions+1)[:functions+1]
	clear(c.Offset)
	for i := 0; i < len(t.cells); i += n {
		for column, v := range t.cells[i : i+n] {
			if v > 0 {
				c.Offset[id[column]+1]++
			}
		}
	}
	for f := range functions {
		c.Offset[f+1] += c.Offset[f]
	}
	total := c.Offset[functions]
	c.Minute, c.Count = slices.Grow(c.Minute[:0], total)[:total], slices.Grow(c.Count[:0], total)[:total]
	next := make([]int, n)
	for column := range next {
		next[column] = c.Offset[id[column]]
	}
	// Every column is written to a place of its own: some at a time, so that these places
	// stay in the cache.
	for first := 0; first < n; first += columnsAtATime {
		last := min(n, first+columnsAtATime)
		places := next[first:last]
		for minute, row := int32(0), 0; row < len(t.cells); minute, row = minute+1, row+n {
			for i, v := range t.cells[row+first : row+last] {
				if v > 0 {
					at := places[i]
					c.Minute[at], c.Count[at] = minute, int64(v)
					places[i] = at + 1
				}
			}
		}
	}
}

const columnsAtATime = 128

// Days reads files a day at a time.
type Days struct {
	Files   []File
	Counts  int // metrics that count
	Samples int // metrics that are measured
	Workers int // at least 1; as many days are held, and one more

	// Lose takes the number of cells of a measurement in one row that cannot be used, and
	// the first of them. It is called where the sink is. A cell of counts that cannot be
	// used makes its row a rejected one.
	Lose func(metric string, cells int, first *datasets.SyntaxError)
}

// Read reads all files and passes the days on in ascending order, those included that have
// measurements alone. Rejected rows and numbers of rows go to sink. The result does not
// depend on the number of workers.
func (d *Days) Read(ctx context.Context, sink datasets.Sink, emit func(*Day) error) error {
	ctx, cancel := context.WithCancel(ctx)
	workers, ctx := parallel.WithContext(ctx)
	defer func() { _ = workers.Wait() }() // there are none but panics
	defer cancel()
	jobs := d.jobs()
	queue := make(chan *job, len(jobs))
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	for range min(d.Workers, len(jobs)) {
		workers.Go(func() error {
			for j := range queue {
				day, err := func() (*Day, error) {
					defer close(j.events) // after a panic too, so that nobody waits
					return d.read(ctx, j)
				}()
				select {
				case j.done <- result{day, err}:
				case <-ctx.Done():
					return nil
				}
			}
			return nil
		})
	}
	for _, j := range jobs {
		for e := range j.events {
			if err := e(sink); err != nil {
				return err
			}
		}
		select {
		case r := <-j.done:
			if r.err != nil {
				return r.err
			}
			if err := emit(r.day); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// A job is the files of a day, and how a worker hands over what it finds.
type job struct {
	day    int
	files  []File // those that count first
	events chan func(datasets.Sink) error
	done   chan result
}

type result struct {
	day *Day
	err error
}

// jobs groups the files by day.
func (d *Days) jobs() []*job {
	files := slices.Clone(d.Files)
	slices.SortStableFunc(files, func(a, b File) int {
		switch {
		case a.Outline.Day != b.Outline.Day:
			return a.Outline.Day - b.Outline.Day
		case a.Use.Counts == b.Use.Counts:
			return 0
		case a.Use.Counts:
			return -1
		}
		return 1
	})
	var jobs []*job
	for _, f := range files {
		if n := len(jobs); n == 0 || jobs[n-1].day != f.Outline.Day {
			jobs = append(jobs, &job{day: f.Outline.Day, events: make(chan func(datasets.Sink) error, 64), done: make(chan result)})
		}
		j := jobs[len(jobs)-1]
		j.files = append(j.files, f)
	}
	return jobs
}

// read reads the files of a day.
func (d *Days) read(ctx context.Context, j *job) (*Day, error) {
	day := &Day{Number: j.day, Counts: make([]Table, d.Counts), Samples: make([]map[string]Sample, d.Samples)}
	for _, f := range j.files {
		if err := day.add(ctx, f, j.events, d.Lose); err != nil {
			return nil, err
		}
	}
	return day, nil
}

// add reads a file into the day.
func (day *Day) add(ctx context.Context, f File, events chan<- func(datasets.Sink) error, lose func(string, int, *datasets.SyntaxError)) error {
	say := func(e func(datasets.Sink) error) error {
		select {
		case events <- e:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	in, err := f.Open(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	row := day.count
	if !f.Use.Counts {
		row = day.measure
	}
	var lost func(int, *datasets.SyntaxError) error
	if !f.Use.Counts || f.Use.Metric > 0 {
		lost = func(cells int, first *datasets.SyntaxError) error {
			return say(func(datasets.Sink) error {
				lose(f.Values.Name, cells, first)
				return nil
			})
		}
	}
	n, err := f.Outline.Scan(f.Path, in, f.Values, row(f), func(reason string, e *datasets.SyntaxError) error {
		return say(func(sink datasets.Sink) error { return sink.Reject(reason, e) })
	}, lost)
	if err != nil {
		return err
	}
	return say(func(sink datasets.Sink) error { return sink.Rows(f.Name, n) })
}

// count returns what sums the rows of a file by minute.
func (day *Day) count(f File) func(Row) error {
	t := &day.Counts[f.Use.Metric]
	t.Columns = f.Outline.Columns
	n := len(t.Columns)
	t.cells = make([]uint32, datasets.MinutesPerDay*n)
	return func(r Row) error {
		minute := r.Second / 60
		cells := t.cells[minute*n : (minute+1)*n]
		for i, column := range r.Column {
			cells[column] += uint32(r.Value[i])
		}
		return nil
	}
}

// leastShare keeps weights above 0.
const leastShare = 1e-6

// measure returns what samples the rows of a file.
func (day *Day) measure(f File) func(Row) error {
	if day.Samples[f.Use.Metric] == nil {
		day.Samples[f.Use.Metric] = make(map[string]Sample, len(f.Outline.Columns))
	}
	of := day.Samples[f.Use.Metric]
	samples := make([]Sample, len(f.Outline.Columns))
	for i, name := range f.Outline.Columns {
		if of[name] == nil {
			of[name] = new(cost.Weighted)
		}
		samples[i] = of[name]
	}
	counted := make([]int, len(samples)) // by column, that of the counts; -1: none
	var by *Table
	where := map[string]int{}
	if f.Use.By >= 0 {
		by = &day.Counts[f.Use.By]
		for i, name := range by.Columns {
			where[name] = i
		}
	}
	for i, name := range f.Outline.Columns {
		counted[i] = -1
		if c, ok := where[name]; ok {
			counted[i] = c
		}
	}
	share := max(leastShare, f.Use.Share) * float64(f.Outline.Step) / 60
	return func(r Row) error {
		minute := r.Second / 60
		for i, column := range r.Column {
			if f.Use.Positive && r.Value[i] == 0 {
				continue
			}
			weight := share
			if c := counted[column]; c >= 0 {
				weight *= float64(max(1, by.at(minute, c)))
			}
			samples[column].Add(r.Value[i], weight)
		}
		return nil
	}
}
