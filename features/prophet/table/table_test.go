package table_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/table"
)

func read(t *testing.T, text string, want table.Wanted) *table.Table {
	t.Helper()
	got, err := table.Read(strings.NewReader(text), "x.csv", want)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestRead(t *testing.T) {
	got := read(t, "\ufeffy,other,ds,cap,open,load\r\n"+
		"3,a,2024-03-02,9,true,1.5\r\n"+
		"NA,b,2024-03-03 12:30:00,9,0,2\r\n"+
		" 1e2 ,c,2024-03-01T01:00:00+02:00,8,False,-3\r\n"+
		"4,d,2024-03-02,7,yes,\r\n",
		table.Wanted{Conditions: []string{"open"}, Regressors: []string{"load"}})
	for i, want := range []struct {
		ds        string
		y, limit  float64
		open      bool
		regressor float64
	}{
		{"2024-02-29 23:00:00", 100, 8, false, -3},
		{"2024-03-02 00:00:00", 3, 9, true, 1.5},
		{"2024-03-02 00:00:00", 4, 7, true, math.NaN()},
		{"2024-03-03 12:30:00", math.NaN(), 9, false, 2},
	} {
		c := got.Columns
		if ds := got.Times[i].Format(time.DateTime); ds != want.ds || !same(got.Y[i], want.y) || c.Cap[i] != want.limit || c.Conditions["open"][i] != want.open || !same(c.Regressors["load"][i], want.regressor) {
			t.Errorf("row %d: %s %g %g %v %g, want %+v", i, ds, got.Y[i], c.Cap[i], c.Conditions["open"][i], c.Regressors["load"][i], want)
		}
	}
	if got.Columns.Floor != nil {
		t.Error("there is a floor")
	}
	if n := got.Values(); n != 3 {
		t.Errorf("%d values, want 3", n)
	}
	if span, step := got.Span(); span != 25*time.Hour || step != 25*time.Hour {
		t.Errorf("span %v, step %v, want 25h both: a missing value and a step of 0 do not count", span, step)
	}
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "x.csv: the file is empty",
		"ds,y\n":                         "x.csv: no rows",
		"date,y\n2024-01-01,1\n":         `x.csv:1: there is no column "ds"`,
		"ds,y,y\n2024-01-01,1,1\n":       `x.csv:1: column "y" is there twice`,
		"ds,y\n2024-01-01,1\nsoon,2\n":   `x.csv:3: ds must be a time`,
		"ds,y\n2024-01-01,inf\n":         `x.csv:2: y must be a finite number`,
		"ds,y\n2024-01-01,1e999\n":       `x.csv:2: y must be a finite number`,
		"ds,y\n2024-01-01,many\n":        `x.csv:2: y must be a finite number`,
		"ds,y\n2024-01-01\n":             "x.csv: record on line 2",
		"ds,y\n0024-01-01,3\n":           "x.csv:2: ds must lie from 1800 to 2089",
		"ds,y,cap\n2024-01-01,3,-Inf\n":  "x.csv:2: cap must be a finite number",
		"ds,y\n2024-01-01,1\n\"2024-1,2": "x.csv: ",
	} {
		if _, err := table.Read(strings.NewReader(text), "x.csv", table.Wanted{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if _, err := table.Read(strings.NewReader("ds,y,c\n2024-01-01,1,maybe\n"), "x.csv", table.Wanted{Conditions: []string{"c"}}); err == nil || !strings.Contains(err.Error(), "x.csv:2: c must be true or false") {
		t.Errorf("a condition that is neither: error %v", err)
	}
}

func TestReadHolidays(t *testing.T) {
	got, err := table.ReadHolidays(strings.NewReader(`holiday,ds,lower_window,upper_window,prior_scale
superbowl,2014-02-02,0,1,3
playoff,2013-01-12,0,1,
superbowl,2010-02-07,-1,0,3
`), "h.csv")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Name != "playoff" || got[0].Windows != nil || got[0].UpperWindow != 1 || got[0].PriorScale != 0 {
		t.Fatalf("holidays %+v", got)
	}
	s := got[1]
	if s.LowerWindow != -1 || s.UpperWindow != 1 || s.PriorScale != 3 {
		t.Errorf("superbowl %+v", s)
	}
	for text, want := range map[string]bool{"2014-02-02": true, "2014-02-03": true, "2014-02-01": false, "2010-02-06": true, "2010-02-08": false} {
		var d prophet.Day
		if err := d.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		on := false
		for o := s.LowerWindow; o <= s.UpperWindow; o++ {
			on = on || s.On(d, o)
		}
		if on != want {
			t.Errorf("superbowl on %s: %v", text, on)
		}
	}
	for text, want := range map[string]string{
		"ds\n2014-01-01\n":                                                  `there is no column "holiday"`,
		"holiday,ds\n,2014-01-01\n":                                         "h.csv:2: holiday must have a name",
		"holiday,ds,lower_window\nx,2014-01-01,1\n":                         "h.csv:2: lower_window must be at most 0",
		"holiday,ds,upper_window\nx,2014-01-01,0.5\n":                       "h.csv:2: upper_window must be a whole number",
		"holiday,ds,prior_scale\nx,2014-01-01,-1\n":                         "h.csv:2: prior_scale must be > 0",
		"holiday,ds,prior_scale\nx,2014-01-01,1\nx,2015-01-01,2\n":          `h.csv:3: prior_scale of "x" must be the same`,
		"holiday,ds,upper_window\nx,2014-01-01,1\nx,2015-01-01,10000000000": "h.csv:3: upper_window",
	} {
		if _, err := table.ReadHolidays(strings.NewReader(text), "h.csv"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// TestFrequency has the times of pandas' date_range after a start that is left out.
func TestFrequency(t *testing.T) {
	const start = "2024-01-31 06:00:00" // a Wednesday
	for text, want := range map[string]string{
		"D":     "02-01 06:00, 02-02 06:00, 02-03 06:00",
		"2D":    "02-02 06:00, 02-04 06:00, 02-06 06:00",
		"h":     "01-31 07:00, 01-31 08:00, 01-31 09:00",
		"15min": "01-31 06:15, 01-31 06:30, 01-31 06:45",
		"30T":   "01-31 06:30, 01-31 07:00, 01-31 07:30",
		"90s":   "01-31 06:01, 01-31 06:03, 01-31 06:04",
		"W":     "02-04 06:00, 02-11 06:00, 02-18 06:00",
		"W-WED": "02-07 06:00, 02-14 06:00, 02-21 06:00",
		"2W":    "02-04 06:00, 02-18 06:00, 03-03 06:00",
		"B":     "02-01 06:00, 02-02 06:00, 02-05 06:00",
		"MS":    "02-01 06:00, 03-01 06:00, 04-01 06:00",
		"2MS":   "02-01 06:00, 04-01 06:00, 06-01 06:00",
		"ME":    "02-29 06:00, 03-31 06:00, 04-30 06:00",
		"2M":    "03-31 06:00, 05-31 06:00, 07-31 06:00",
		"QS":    "04-01 06:00, 07-01 06:00, 10-01 06:00",
		"QE":    "03-31 06:00, 06-30 06:00, 09-30 06:00",
		"YS":    "01-01 06:00, 01-01 06:00, 01-01 06:00",
		"Y":     "12-31 06:00, 12-31 06:00, 12-31 06:00",
	} {
		f, err := table.ParseFrequency(text)
		if err != nil {
			t.Error(err)
			continue
		}
		at, err := time.Parse(time.DateTime, start)
		if err != nil {
			t.Fatal(err)
		}
		times, err := f.After(at, 3)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range times {
			got = append(got, x.Format("01-02 15:04"))
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s: %s, want %s", text, s, want)
		}
	}
	for _, text := range []string{"", "0D", "X", "-1D", "W-XYZ", "1.5h", "D-MON"} {
		if _, err := table.ParseFrequency(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	f, err := table.ParseFrequency("YS")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.After(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), 100); err == nil || !strings.Contains(err.Error(), "2089") {
		t.Errorf("a horizon of 100 years: error %v", err)
	}
}

func TestAhead(t *testing.T) {
	f, err := table.ParseFrequency("D")
	if err != nil {
		t.Fatal(err)
	}
	h := read(t, "ds,y,cap\n2024-01-01,1,5\n2024-01-02,2,6\n", table.Wanted{})
	times, c, err := h.Ahead(f, 2)
	if err != nil || len(times) != 4 || len(c.Cap) != 4 || c.Cap[0] != 5 || c.Cap[3] != 6 || len(h.Columns.Cap) != 2 {
		t.Errorf("times %v, cap %v, error %v", times, c.Cap, err)
	}
	h = read(t, "ds,y,x\n2024-01-01,1,5\n2024-01-02,2,6\n", table.Wanted{Regressors: []string{"x"}})
	if _, _, err := h.Ahead(f, 1); err == nil || !strings.Contains(err.Error(), `regressor "x"`) {
		t.Errorf("a regressor after the last row: error %v", err)
	}
	if times, _, err := h.Ahead(f, 0); err != nil || len(times) != 2 {
		t.Errorf("horizon 0: %v, error %v", times, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("ds,y,cap,floor,on,x\n2024-01-01,1,2,0,true,3\n2023-01-01 10:00:00,,NA,,0,nan\n")
	f.Add("ds,y\n\"2024\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := table.Read(strings.NewReader(text), "x", table.Wanted{Conditions: []string{"on"}, Regressors: []string{"x"}})
		if err != nil {
			return
		}
		if err := got.Columns.Len(len(got.Times)); err != nil || len(got.Y) != len(got.Times) {
			t.Fatalf("%d times, %d values, %v", len(got.Times), len(got.Y), err)
		}
		for i := 1; i < len(got.Times); i++ {
			if got.Times[i].Before(got.Times[i-1]) {
				t.Fatal("not in order")
			}
		}
		if span, step := got.Span(); span < 0 || step < 0 || step > span {
			t.Fatalf("span %v, step %v", span, step)
		}
	})
}

func FuzzReadHolidays(f *testing.F) {
	f.Add("holiday,ds,lower_window,upper_window,prior_scale\na,2024-01-01,-1,2,5\na,2025-01-01,0,1,5\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := table.ReadHolidays(strings.NewReader(text), "x")
		if err != nil {
			return
		}
		for _, h := range got {
			if h.Name == "" || len(h.Dates) == 0 || h.Windows != nil && len(h.Windows) != len(h.Dates) || h.LowerWindow > 0 || h.UpperWindow < 0 || h.PriorScale < 0 {
				t.Fatalf("%+v", h)
			}
		}
	})
}
