package formats_test

import (
	"archive/zip"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/formats"
)

// An example is an input of a format that grows with its days, by the names of its files.
type example struct {
	files func(days int) map[string]string

	// One row of it, by its text, and one in its place that cannot be used.
	good, bad string
}

const aDay = 500 // rows of a day of single invocations

// events is a file with a row for each invocation of some days, below a header.
func events(name, header string, row func(day, n int) string) func(int) map[string]string {
	return func(days int) map[string]string {
		var text strings.Builder
		text.WriteString(header)
		for i := range days * aDay {
			text.WriteString(row(i/aDay, i%aDay) + "\n")
		}
		return map[string]string{name: text.String()}
	}
}

// aFileADay has a file for each day.
func aFileADay(name, header string, rows int, row func(day, n int) string) func(int) map[string]string {
	return func(days int) map[string]string {
		files := map[string]string{}
		for day := range days {
			var text strings.Builder
			text.WriteString(header)
			for n := range rows {
				text.WriteString(row(day, n) + "\n")
			}
			files[fmt.Sprintf(name, day+1)] = text.String()
		}
		return files
	}
}

// second is when the n-th invocation of a day is, since the first day began.
func second(day, n int) int { return day*86400 + n*86400/aDay }

const february = 1709164800 // the midnight that begins 29 February 2024, in seconds since 1970

var examples = map[string]example{
	"azure2019": {
		aFileADay("invocations_per_function_md.anon.d%02d.csv", "HashOwner,HashApp,HashFunction,Trigger,"+numbers(1, 1440, ",")+"\n", 20,
			func(_, n int) string { return fmt.Sprintf("o,a%d,f%d,http,", n/5, n) + numbers(n, n+1439, ",") }),
		"o,a1,f7,http,", "o,a1,f7,http,x",
	},
	"azure2021": {
		events("t.csv", "app,func,end_timestamp,duration\n", func(day, n int) string {
			return fmt.Sprintf("a,f%d,%d,0.%03d", n%20, second(day, n)+2, n)
		}), "a,f7,1211,", "a,f7,soon,",
	},
	"alibaba": {
		events("t.csv", "__time__,functionName,latency,runtime,memoryMB\n", func(day, n int) string {
			return fmt.Sprintf("%d,f%d,0.%03d,go,128", february+second(day, n), n%20, n)
		}), "1709166009,f7,", "soon,f7,",
	},
	"huawei2023": {
		aFileADay("requests_minute/day_%03d.csv", "day,time,0,1,2,3,4\n", 1440, func(day, n int) string {
			return fmt.Sprintf("%d,%d,%d,%d,,0,1", day, (day+1)*86400+n*60, n, n%7)
		}), ",86820,7,", ",86820,-7,",
	},
	"huawei2025": {
		aFileADay("R1/requests/day_%02d.csv", "day,time,1---2---pool22-300-128,3---4---pool22-300-128\n", 1440, func(day, n int) string {
			return fmt.Sprintf("%d,%d,%d,%d", day, (day+1)*86400+n*60, n, n%7)
		}), ",86820,7,", ",86820,-7,",
	},
	"openwhisk": {
		events("t.json", "", func(day, n int) string {
			return fmt.Sprintf(`{"activationId":"%d","namespace":"o","name":"f%d","start":%d000,"duration":%d,"annotations":[{"key":"kind","value":"go"},{"key":"waitTime","value":%d}]}`,
				day*aDay+n, n%20, february+second(day, n), n, n%9)
		}), `"start":1709166009000`, `"start":"soon"`,
	},
	"prometheus": {
		func(days int) map[string]string {
			files := map[string]string{}
			for day := range days {
				var text strings.Builder
				text.WriteString(`{"status":"success","data":{"resultType":"matrix","result":[`)
				for f := range 5 {
					if f > 0 {
						text.WriteString(",\n")
					}
					fmt.Fprintf(&text, `{"metric":{"function":"f%d"},"values":[`, f)
					for n := range 1440 {
						if n > 0 {
							text.WriteString(",")
						}
						fmt.Fprintf(&text, `[%d,"%d"]`, february+day*86400+n*60+30, (day*1440+n)*f)
					}
					text.WriteString("]}")
				}
				text.WriteString("]}}")
				files[fmt.Sprintf("%03d.json", day)] = text.String()
			}
			return files
		}, `[1709337570,"2879"]`, `[1709337570,2879]`,
	},
	"counts": {
		events("t.csv", "function,minute,count\n", func(day, n int) string {
			return fmt.Sprintf("f%d,%d,%d", n%20, (february+second(day, n))/60, n)
		}), "f7,28486100,7", "f7,28486100,-7",
	},
	"invocations": {
		events("t.csv", "function,arrival,duration_ms\n", func(day, n int) string {
			return fmt.Sprintf("f%d,%d,%d", n%20, february+second(day, n), n+1)
		}), "f7,1709166009,8", "f7,soon,8",
	},
}

func numbers(from, to int, between string) string {
	var all []string
	for n := from; n <= to; n++ {
		all = append(all, fmt.Sprint(n))
	}
	return strings.Join(all, between)
}

// lay writes files into a folder of their own.
func lay(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A script is a [datasets.Sink] that writes down what it is told, and does as it is told at each call.
type script struct {
	said             strings.Builder
	quiet            bool // nothing is written down
	days             int
	records          int64
	rows, rejections int64
	rejected         []*datasets.SyntaxError

	calls int
	at    func(call int) error // before each call, and each invocation
}

func (s *script) call() error {
	s.calls++
	if s.at == nil {
		return nil
	}
	return s.at(s.calls)
}

func (s *script) say(format string, args ...any) {
	if !s.quiet {
		fmt.Fprintf(&s.said, format+"\n", args...)
	}
}

func (s *script) next(day int) error {
	if s.days++; day != s.days-1 {
		return fmt.Errorf("day %d follows %d days", day, s.days-1)
	}
	return s.call()
}

func (s *script) Day(c *datasets.Counts) error {
	s.say("day %d: %v %v %v", c.Day, c.Offset, c.Minute, c.Count)
	s.records += int64(len(c.Count))
	return s.next(c.Day)
}

func (s *script) Invocations(day int, seq iter.Seq2[datasets.Invocation, error]) error {
	if err := s.next(day); err != nil {
		return err
	}
	tally := datasets.NewTally(day)
	for inv, err := range seq {
		if err == nil {
			err = tally.Add(inv)
		}
		if err == nil {
			err = s.call()
		}
		if err != nil {
			return err
		}
		s.records++
		s.say("%v", inv)
	}
	return nil
}

func (s *script) Rows(_ string, n int64) error {
	s.rows += n
	return s.call()
}

func (s *script) Reject(reason string, e *datasets.SyntaxError) error {
	s.rejections++
	s.rejected = append(s.rejected, e)
	s.say("reject %s %s:%d", reason, filepath.Base(e.File), e.Line)
	return s.call()
}

// read opens an input and reads it.
func read(ctx context.Context, name, path string, workers int, s *script) (functions []datasets.Function, err error) {
	f, _ := formats.Named(name)
	o := formats.DefaultOptions()
	o.Workers = workers
	in, err := f.Open(ctx, path, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, formats.Close(in)) }()
	return in.Read(ctx, nil, s)
}

func each(t *testing.T, run func(t *testing.T, name string, e example)) {
	for _, f := range formats.All() {
		t.Run(f.Name, func(t *testing.T) {
			e, ok := examples[f.Name]
			if !ok {
				t.Fatal("no example of this format")
			}
			run(t, f.Name, e)
		})
	}
}

// The same rows are the same trace: read again, compressed, in an archive, and by any number of workers.
func TestAlike(t *testing.T) {
	each(t, func(t *testing.T, name string, e example) {
		files := e.files(3)
		dir := lay(t, files)
		var want string
		for _, form := range []struct {
			path    string
			workers int
		}{{dir, 1}, {dir, 3}, {lay(t, gzipped(t, files)), 2}, {zipped(t, files), 2}} {
			s := new(script)
			functions, err := read(t.Context(), name, form.path, form.workers, s)
			if err != nil || s.records == 0 || s.days < 3 || s.rejections > 0 {
				t.Fatalf("%s: %d records of %d days, %d rejected, %v", form.path, s.records, s.days, s.rejections, err)
			}
			owner := func(f datasets.Function) datasets.Function {
				f.Owner = strings.TrimSuffix(f.Owner, ".gz") // alibaba's is the name of the file
				return f
			}
			got := s.said.String()
			for _, f := range functions {
				got += fmt.Sprintf("%+v\n", owner(f))
			}
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s with %d workers differs:\n%.2000s\nexpected\n%.2000s", form.path, form.workers, got, want)
			}
		}
	})
}

func gzipped(t *testing.T, files map[string]string) map[string]string {
	out := map[string]string{}
	for name, text := range files {
		var b strings.Builder
		w := gzip.NewWriter(&b)
		_, err := io.WriteString(w, text)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		out[name+".gz"] = b.String()
	}
	return out
}

func zipped(t *testing.T, files map[string]string) string {
	path := filepath.Join(t.TempDir(), "t.zip")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		m, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(m, files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// broken is an example with one row that cannot be used.
func (e example) broken(t testing.TB, days int) map[string]string {
	t.Helper()
	files, n := e.files(days), 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if text := files[name]; n == 0 && strings.Contains(text, e.good) {
			files[name] = strings.Replace(text, e.good, e.bad, 1)
			n++
		}
	}
	if n == 0 {
		t.Fatalf("no file of the example has %q", e.good)
	}
	return files
}

// A row that cannot be used is rejected with its place, and the others are read.
func TestOneBadRow(t *testing.T) {
	each(t, func(t *testing.T, name string, e example) {
		whole, s := new(script), new(script)
		if _, err := read(t.Context(), name, lay(t, e.files(2)), 1, whole); err != nil {
			t.Fatal(err)
		}
		if _, err := read(t.Context(), name, lay(t, e.broken(t, 2)), 1, s); err != nil {
			t.Fatal(err)
		}
		if s.rejections != 1 || s.rejected[0].Line < 1 || s.rejected[0].File == "" || s.rejected[0].Msg == "" {
			t.Fatalf("rejected %v", s.rejected)
		}
		if s.records >= whole.records || s.records == 0 || s.rows != whole.rows || s.days != whole.days {
			t.Errorf("%d records of %d rows and %d days, of the example without it %d, %d and %d", s.records, s.rows, s.days, whole.records, whole.rows, whole.days)
		}
	})
}

// An error of the sink, at whichever call, ends the reading and is what it returns.
func TestErrorOfTheSink(t *testing.T) {
	full := errors.New("the disk is full")
	each(t, func(t *testing.T, name string, e example) {
		dir, all := lay(t, e.broken(t, 2)), new(script)
		if _, err := read(t.Context(), name, dir, 2, all); err != nil {
			t.Fatal(err)
		}
		for call := 1; call <= all.calls; call += 1 + all.calls/12 {
			s := &script{quiet: true, at: func(n int) error {
				if n > call {
					t.Errorf("call %d after an error at %d", n, call)
				}
				if n == call {
					return full
				}
				return nil
			}}
			if _, err := read(t.Context(), name, dir, 2, s); !errors.Is(err, full) {
				t.Errorf("call %d of %d: error %v, expected %v", call, all.calls, err, full)
			}
		}
	})
}

// Whoever cancels gets that as the error, and soon.
func TestCancelled(t *testing.T) {
	each(t, func(t *testing.T, name string, e example) {
		dir := lay(t, e.files(3))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := read(ctx, name, dir, 2, new(script)); !errors.Is(err, context.Canceled) {
			t.Errorf("before: error %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		s := &script{quiet: true, at: func(int) error { cancel(); return nil }}
		if _, err := read(ctx, name, dir, 2, s); !errors.Is(err, context.Canceled) {
			t.Errorf("at the first day: error %v after %d calls", err, s.calls)
		}
	})
}

// Damage, anywhere, is an error or costs rows, and no panic; what is read adds up.
func TestDamage(t *testing.T) {
	places := 40
	if testing.Short() {
		places = 8
	}
	each(t, func(t *testing.T, name string, e example) {
		files := e.files(1)
		file := slices.Sorted(maps.Keys(files))[0]
		text := files[file]
		path := filepath.Join(lay(t, files), filepath.FromSlash(file))
		dir := filepath.Dir(path)
		for i := range places {
			at := i * (i + 1) * len(text) / (places * (places + 1)) // more of them near the header
			for _, damaged := range []string{text[:at], text[:at] + "\x00" + text[at:], text[:at] + "\"" + text[at:], text[:at] + text[min(len(text), at+7):], text[:at] + "\xff\n" + text[at:]} {
				if err := os.WriteFile(path, []byte(damaged), 0o666); err != nil {
					t.Fatal(err)
				}
				s := &script{quiet: true}
				if _, err := read(t.Context(), name, dir, 1, s); err == nil && (s.records == 0 && s.rejections == 0 && s.rows > 0 && at > len(text)/2 || s.days == 0) {
					t.Errorf("at %d of %d: %d rows, %d days, %d records, %d rejected", at, len(text), s.rows, s.days, s.records, s.rejections)
				}
			}
		}
	})
}

// The heap does not grow with the days.
func TestFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a month in every format")
	}
	each(t, func(t *testing.T, name string, e example) {
		peak := func(days int) (most uint64) {
			day := 0
			s := &script{quiet: true}
			s.at = func(call int) error {
				if s.days != day || call%(aDay/4) == 0 {
					day = s.days
					var m runtime.MemStats
					runtime.GC()
					runtime.ReadMemStats(&m)
					most = max(most, m.HeapAlloc)
				}
				return nil
			}
			if _, err := read(t.Context(), name, lay(t, e.files(days)), 1, s); err != nil || s.days < days {
				t.Fatalf("%d days: %v", s.days, err)
			}
			return most
		}
		if few, many := peak(2), peak(28); many > few+2<<20 {
			t.Errorf("%d bytes for 2 days, %d for 28", few, many)
		}
	})
}

// FuzzRead reads any text as any format: behind the first line of its example, and alone.
func FuzzRead(f *testing.F) {
	names := formats.Names()
	for i, name := range names {
		for _, text := range examples[name].files(1) {
			f.Add(i, true, text[:min(len(text), 400)])
			f.Add(i, false, text[:min(len(text), 400)])
		}
	}
	f.Fuzz(func(t *testing.T, i int, headed bool, text string) {
		if i < 0 || i >= len(names) {
			t.Skip()
		}
		files := examples[names[i]].files(1)
		file := slices.Sorted(maps.Keys(files))[0]
		if first, _, ok := strings.Cut(files[file], "\n"); ok && headed {
			text = first + "\n" + text
		}
		s := &script{quiet: true}
		if _, err := read(t.Context(), names[i], lay(t, map[string]string{file: text}), 1, s); err == nil && s.days == 0 {
			t.Errorf("%s: no day of %d rows and no error", names[i], s.rows)
		}
	})
}

// BenchmarkRead reads ten days of each format.
func BenchmarkRead(b *testing.B) {
	for _, name := range formats.Names() {
		b.Run(name, func(b *testing.B) {
			files := examples[name].files(10)
			dir := lay(b, files)
			for _, text := range files {
				b.SetBytes(int64(len(text) * len(files)))
			}
			for b.Loop() {
				if _, err := read(b.Context(), name, dir, 1, &script{quiet: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
