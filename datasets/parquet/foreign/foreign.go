// Package foreign reads Parquet files that someone else wrote, perhaps in order to break their reader, in a
// process of its own with limits of memory and time.
//
// A program that uses it must begin its main with [Serve]. Then [Open] reads the footer of a file, and
// [File.Read] passes on its rows, as text.
package foreign

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
)

// ErrUnreadable is returned for a Parquet file of someone else that cannot be read.
var ErrUnreadable = errors.New("foreign Parquet file cannot be read")

// Options bound what the reading of a foreign file may take.
type Options struct {
	// Memory of the process that reads the file, in bytes, beside the address space
	// that the program itself reserves; at least 64 MiB. Default 512 MiB: of a healthy file, a
	// page and a dictionary of each column are in memory, which seldom have more than 1 MB.
	Memory int64 `json:"memory"`

	// Stall is the longest time without a row, of which a healthy file gives
	// many thousands a second. Default 10 s.
	Stall time.Duration `json:"stall"`

	// Time is the longest time that the reading may take as a whole, to which
	// TimePerMB is added for every MB of the file. Defaults 2 min and 2 s.
	Time      time.Duration `json:"time"`
	TimePerMB time.Duration `json:"time_per_mb"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	return Options{Memory: 512 << 20, Stall: 10 * time.Second, Time: 2 * time.Minute, TimePerMB: 2 * time.Second}
}

// Validate reports options that cannot be used.
func (o Options) Validate() error {
	var err error
	if o.Memory < 64<<20 {
		err = errors.Join(err, fmt.Errorf("parquet: memory must be at least 64 MiB, got %d bytes", o.Memory))
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"stall", o.Stall}, {"time", o.Time}} {
		if d.value <= 0 {
			err = errors.Join(err, fmt.Errorf("parquet: %s must be positive, got %v", d.key, d.value))
		}
	}
	if o.TimePerMB < 0 {
		err = errors.Join(err, fmt.Errorf("parquet: time_per_mb must not be negative, got %v", o.TimePerMB))
	}
	return err
}

// A File is a Parquet file that someone else wrote, perhaps in order to break its
// reader. Bytes of such files make Arrow loop, allocate at will or die in a way that
// no recover catches; they are therefore read by a process of their own, with limits
// of memory and time, whose end is an error here.
//
// That process is this program once more: its main must begin with [Serve].
type File struct {
	Names []string // of the columns that hold one value a row; those of groups are joined by dots
	Rows  int64    // as the footer says

	path string
	opts Options
	size int64
}

// Open reads the footer of the file at path.
func Open(ctx context.Context, path string, o Options) (*File, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, opts: o, size: info.Size()}
	var footer *summary
	err = f.run(ctx, task{Memory: o.Memory}, func(kind byte, payload []byte) error {
		if kind != frameFooter || footer != nil {
			return fmt.Errorf("unexpected frame %q", kind)
		}
		footer = new(summary)
		return json.Unmarshal(payload, footer)
	})
	if err != nil {
		return nil, err
	}
	if footer == nil {
		return nil, f.fail(errors.New("its reader did not say what it holds"))
	}
	f.Names, f.Rows = footer.Names, footer.Rows
	return f, nil
}

// Read passes the rows from the first to the last to row: their numbers from 1, and
// the cells of the columns, at least one and given by positions in Names, as text. A cell is nil
// for null. Whole numbers are decimal, also those of float columns; other numbers
// as strconv formats them; times RFC 3339 in UTC, without the Z where the file calls them
// local; dates YYYY-MM-DD; strings as they are, cut after 1 KiB. Cells are valid
// until row returns. An error of row ends the reading and is returned as it is.
func (f *File) Read(ctx context.Context, columns []int, row func(number int64, cells [][]byte) error) error {
	if len(columns) == 0 {
		return errors.New("parquet: rows of no columns")
	}
	number := int64(0)
	cells := make([][]byte, len(columns))
	ours := false // the error is that of row
	err := f.run(ctx, task{Memory: f.opts.Memory, Rows: true, Columns: columns}, func(kind byte, payload []byte) error {
		if kind != frameRows {
			return fmt.Errorf("unexpected frame %q", kind)
		}
		for len(payload) > 0 {
			var err error
			if payload, err = decodeRow(payload, cells); err != nil {
				return err
			}
			if number++; number > f.Rows {
				return fmt.Errorf("more rows than the %d of its footer", f.Rows)
			}
			if err := row(number, cells); err != nil {
				ours = true
				return err
			}
		}
		return nil
	})
	if err == nil && number != f.Rows {
		err = f.fail(fmt.Errorf("%d rows: the footer says %d", number, f.Rows))
	}
	if foreign := (*fileError)(nil); ours && errors.As(err, &foreign) {
		return foreign.err
	}
	return err
}

// A fileError is what was wrong with the file at path.
type fileError struct {
	path string
	err  error
}

func (e *fileError) Error() string   { return fmt.Sprintf("%s: %v: %v", e.path, ErrUnreadable, e.err) }
func (e *fileError) Unwrap() []error { return []error{ErrUnreadable, e.err} }

func (f *File) fail(err error) error { return &fileError{f.path, err} }

// hosted is set where this program begins with Serve.
var hosted atomic.Bool

// run starts the reading process and passes its frames to take, until the last.
func (f *File) run(ctx context.Context, t task, take func(kind byte, payload []byte) error) (err error) {
	if !hosted.Load() {
		return errors.New("parquet: the program that reads foreign files must call Serve first")
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	limit := f.opts.Time + time.Duration(f.size>>20)*f.opts.TimePerMB
	t.Seconds = int64(limit/time.Second) + 1
	argument, err := json.Marshal(t)
	if err != nil {
		return err
	}

	stop, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	child := exec.CommandContext(stop, program, mode, string(argument))
	child.Stdin = in
	// The least that lets a process start everywhere; the file may be hostile.
	child.Env = []string{"GOTRACEBACK=none", "GOMAXPROCS=2", "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}
	var last tail
	child.Stderr = &last
	child.WaitDelay = time.Second
	limitChild(child)
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	// The child must not outlive the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := child.Start(); err != nil {
		return fmt.Errorf("start the reader of %s: %w", f.path, err)
	}
	ended, said := false, error(nil)
	frames := frameReader{r: bufio.NewReaderSize(out, 1<<16)}
	for left := limit; !ended && said == nil; {
		// Only what the child takes counts, not what is done here with its rows.
		waiting := time.Now()
		why := fmt.Errorf("no row for %v", f.opts.Stall)
		if left < f.opts.Stall {
			why = fmt.Errorf("reading took more than %v", limit)
		}
		late := time.AfterFunc(min(left, f.opts.Stall), func() { cancel(why) })
		kind, payload, err := frames.next()
		late.Stop()
		left -= time.Since(waiting)
		switch {
		case err != nil:
			said = err
		case kind == frameEnd:
			ended = true
		case kind == frameError:
			said = fmt.Errorf("%s", payload)
		default:
			said = take(kind, payload)
		}
	}
	if said != nil && !errors.Is(said, io.EOF) {
		cancel(nil) // it need not go on
	}
	_, _ = io.Copy(io.Discard, out) // it ends with the process, which may be killed
	died := child.Wait()
	switch why := context.Cause(stop); {
	case ctx.Err() != nil:
		return ctx.Err()
	case why != nil && !errors.Is(why, context.Canceled):
		return f.fail(why)
	case errors.Is(said, io.EOF):
		return f.fail(fmt.Errorf("its reader died: %w%s", exitOf(died), last.line()))
	case said != nil:
		return f.fail(said)
	case died != nil:
		return f.fail(fmt.Errorf("its reader died: %w%s", died, last.line()))
	}
	return nil
}

// exitOf is never nil: a reader that said nothing has died even if it says it has not.
func exitOf(died error) error {
	if died == nil {
		return errors.New("exit status 0 before the end")
	}
	return died
}

// A tail keeps the first bytes of what a dying process says.
type tail struct{ bytes.Buffer }

const maxTail = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.Buffer.Write(p[:min(len(p), max(0, maxTail-t.Len()))])
	return len(p), nil
}

// line is the first line, after a separator.
func (t *tail) line() string {
	first, _, _ := strings.Cut(strings.TrimSpace(t.String()), "\n")
	if first == "" {
		return ""
	}
	return fmt.Sprintf(" (%.200q)", first)
}
