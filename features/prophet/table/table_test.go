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

// Times as pandas reads them too.
func TestParseTime(t *testing.T) {
	for text, want := range map[string]string{
		"2023-01-02": "2023-01-02 00:00:00", "2023-1-2": "2023-01-02 00:00:00", "2023/01/02": "2023-01-02 00:00:00", "20230102": "2023-01-02 00:00:00",
		"2015-03": "2015-03-01 00:00:00", "2015/03": "2015-03-01 00:00:00", "2015": "2015-01-01 00:00:00",
		"2023-01-02T03:04Z": "2023-01-02 03:04:00", "2023-01-02 03:04Z": "2023-01-02 03:04:00", "2023-01-02T03:04": "2023-01-02 03:04:00", "2023/1/2 3:04": "2023-01-02 03:04:00",
		"2023-01-02T03:04:05Z": "2023-01-02 03:04:05", "2023-01-02T03:04:05+0130": "2023-01-02 01:34:05", "2023-01-02 03:04:05 +0000": "2023-01-02 03:04:05",
		"2023-01-02 03:04:05 UTC": "2023-01-02 03:04:05", "2023-01-02T03:04+01": "2023-01-02 02:04:00", "2023-01-02T03:04-01:00": "2023-01-02 04:04:00",
		"20230102T030405Z": "2023-01-02 03:04:05", "20230102T0304": "2023-01-02 03:04:00", "20230102 03:04:05": "2023-01-02 03:04:05", "20230102030405": "2023-01-02 03:04:05",
		"2023-01-02T03": "2023-01-02 03:00:00", " 2023-01-02 03:04:05.250 ": "2023-01-02 03:04:05",
	} {
		got, err := table.ParseTime(text)
		if err != nil || got.Format(time.DateTime) != want {
			t.Errorf("%q is %v, %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"01/02/2023": "day and month can not be told apart", "1.2.2023": "day and month", "1672531200": "a number of seconds", "202301": "a number of seconds",
		"NaT": "every row must have one", "": "every row must have one", "2023-13-01": "must be a time such as", "2023-01-02T24:00": "must be a time", "2023-W01": "must be a time",
	} {
		if _, err := table.ParseTime(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", text, err, want)
		}
	}
}

func TestReadWords(t *testing.T) {
	got := read(t, "ds,y,on\n2023-01-01T00:00Z,#N/A,True\n2023-01-02T00:00Z,<NA>,False\n20230103,n/a,TRUE\n2023-01-04T00:00:00+0000,3,\n", table.Wanted{Regressors: []string{"on"}})
	on := got.Columns.Regressors["on"]
	if got.Values() != 1 || on[0] != 1 || on[1] != 0 || on[2] != 1 || !math.IsNaN(on[3]) {
		t.Errorf("y %v, on %v", got.Y, on)
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"\xff\xfed\x00s\x00":             "x.csv: the file is in UTF-16",
		"ds,y\n,1\n":                     "x.csv:2: ds must be a time such as 2024-03-01 or 2024-03-01 12:30:00, got \"\": every row",
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
		"D":        "24-02-01 06:00:00, 24-02-02 06:00:00, 24-02-03 06:00:00, 24-02-04 06:00:00",
		"d":        "24-02-01 06:00:00, 24-02-02 06:00:00, 24-02-03 06:00:00, 24-02-04 06:00:00",
		"2D":       "24-02-02 06:00:00, 24-02-04 06:00:00, 24-02-06 06:00:00, 24-02-08 06:00:00",
		"h":        "24-01-31 07:00:00, 24-01-31 08:00:00, 24-01-31 09:00:00, 24-01-31 10:00:00",
		"15min":    "24-01-31 06:15:00, 24-01-31 06:30:00, 24-01-31 06:45:00, 24-01-31 07:00:00",
		"MIN":      "24-01-31 06:01:00, 24-01-31 06:02:00, 24-01-31 06:03:00, 24-01-31 06:04:00",
		"30min":    "24-01-31 06:30:00, 24-01-31 07:00:00, 24-01-31 07:30:00, 24-01-31 08:00:00",
		"90s":      "24-01-31 06:01:30, 24-01-31 06:03:00, 24-01-31 06:04:30, 24-01-31 06:06:00",
		"2h30min":  "24-01-31 08:30:00, 24-01-31 11:00:00, 24-01-31 13:30:00, 24-01-31 16:00:00",
		"1D12h":    "24-02-01 18:00:00, 24-02-03 06:00:00, 24-02-04 18:00:00, 24-02-06 06:00:00",
		"2.5h":     "24-01-31 08:30:00, 24-01-31 11:00:00, 24-01-31 13:30:00, 24-01-31 16:00:00",
		"0.5h":     "24-01-31 06:30:00, 24-01-31 07:00:00, 24-01-31 07:30:00, 24-01-31 08:00:00",
		"+5min":    "24-01-31 06:05:00, 24-01-31 06:10:00, 24-01-31 06:15:00, 24-01-31 06:20:00",
		"2h 30min": "24-01-31 08:30:00, 24-01-31 11:00:00, 24-01-31 13:30:00, 24-01-31 16:00:00",
		"W":        "24-02-04 06:00:00, 24-02-11 06:00:00, 24-02-18 06:00:00, 24-02-25 06:00:00",
		"w":        "24-02-04 06:00:00, 24-02-11 06:00:00, 24-02-18 06:00:00, 24-02-25 06:00:00",
		"W-WED":    "24-02-07 06:00:00, 24-02-14 06:00:00, 24-02-21 06:00:00, 24-02-28 06:00:00",
		"w-wed":    "24-02-07 06:00:00, 24-02-14 06:00:00, 24-02-21 06:00:00, 24-02-28 06:00:00",
		"2W":       "24-02-04 06:00:00, 24-02-18 06:00:00, 24-03-03 06:00:00, 24-03-17 06:00:00",
		"B":        "24-02-01 06:00:00, 24-02-02 06:00:00, 24-02-05 06:00:00, 24-02-06 06:00:00",
		"3B":       "24-02-05 06:00:00, 24-02-08 06:00:00, 24-02-13 06:00:00, 24-02-16 06:00:00",
		"b":        "24-02-01 06:00:00, 24-02-02 06:00:00, 24-02-05 06:00:00, 24-02-06 06:00:00",
		"C":        "24-02-01 06:00:00, 24-02-02 06:00:00, 24-02-05 06:00:00, 24-02-06 06:00:00",
		"bh":       "24-01-31 09:00:00, 24-01-31 10:00:00, 24-01-31 11:00:00, 24-01-31 12:00:00",
		"3bh":      "24-01-31 09:00:00, 24-01-31 12:00:00, 24-01-31 15:00:00, 24-02-01 10:00:00",
		"MS":       "24-02-01 06:00:00, 24-03-01 06:00:00, 24-04-01 06:00:00, 24-05-01 06:00:00",
		"2MS":      "24-02-01 06:00:00, 24-04-01 06:00:00, 24-06-01 06:00:00, 24-08-01 06:00:00",
		"ME":       "24-02-29 06:00:00, 24-03-31 06:00:00, 24-04-30 06:00:00, 24-05-31 06:00:00",
		"2ME":      "24-03-31 06:00:00, 24-05-31 06:00:00, 24-07-31 06:00:00, 24-09-30 06:00:00",
		"QS":       "24-04-01 06:00:00, 24-07-01 06:00:00, 24-10-01 06:00:00, 25-01-01 06:00:00",
		"2QS":      "24-04-01 06:00:00, 24-10-01 06:00:00, 25-04-01 06:00:00, 25-10-01 06:00:00",
		"QE":       "24-03-31 06:00:00, 24-06-30 06:00:00, 24-09-30 06:00:00, 24-12-31 06:00:00",
		"QS-FEB":   "24-02-01 06:00:00, 24-05-01 06:00:00, 24-08-01 06:00:00, 24-11-01 06:00:00",
		"QE-NOV":   "24-02-29 06:00:00, 24-05-31 06:00:00, 24-08-31 06:00:00, 24-11-30 06:00:00",
		"YS":       "25-01-01 06:00:00, 26-01-01 06:00:00, 27-01-01 06:00:00, 28-01-01 06:00:00",
		"YE":       "24-12-31 06:00:00, 25-12-31 06:00:00, 26-12-31 06:00:00, 27-12-31 06:00:00",
		"YS-MAR":   "24-03-01 06:00:00, 25-03-01 06:00:00, 26-03-01 06:00:00, 27-03-01 06:00:00",
		"YE-JAN":   "25-01-31 06:00:00, 26-01-31 06:00:00, 27-01-31 06:00:00, 28-01-31 06:00:00",
		"BMS":      "24-02-01 06:00:00, 24-03-01 06:00:00, 24-04-01 06:00:00, 24-05-01 06:00:00",
		"BME":      "24-02-29 06:00:00, 24-03-29 06:00:00, 24-04-30 06:00:00, 24-05-31 06:00:00",
		"BQS":      "24-04-01 06:00:00, 24-07-01 06:00:00, 24-10-01 06:00:00, 25-01-01 06:00:00",
		"BQE":      "24-03-29 06:00:00, 24-06-28 06:00:00, 24-09-30 06:00:00, 24-12-31 06:00:00",
		"BYS":      "25-01-01 06:00:00, 26-01-01 06:00:00, 27-01-01 06:00:00, 28-01-03 06:00:00",
		"BYE":      "24-12-31 06:00:00, 25-12-31 06:00:00, 26-12-31 06:00:00, 27-12-31 06:00:00",
		"BQE-NOV":  "24-02-29 06:00:00, 24-05-31 06:00:00, 24-08-30 06:00:00, 24-11-29 06:00:00",
		"SMS":      "24-02-01 06:00:00, 24-02-15 06:00:00, 24-03-01 06:00:00, 24-03-15 06:00:00",
		"SME":      "24-02-15 06:00:00, 24-02-29 06:00:00, 24-03-15 06:00:00, 24-03-31 06:00:00",
		"SMS-3":    "24-02-01 06:00:00, 24-02-03 06:00:00, 24-03-01 06:00:00, 24-03-03 06:00:00",
		"SME-10":   "24-02-10 06:00:00, 24-02-29 06:00:00, 24-03-10 06:00:00, 24-03-31 06:00:00",
		"2SME":     "24-02-29 06:00:00, 24-03-31 06:00:00, 24-04-30 06:00:00, 24-05-31 06:00:00",
		"WOM-2MON": "24-02-12 06:00:00, 24-03-11 06:00:00, 24-04-08 06:00:00, 24-05-13 06:00:00",
		"LWOM-FRI": "24-02-23 06:00:00, 24-03-29 06:00:00, 24-04-26 06:00:00, 24-05-31 06:00:00",
		"1000ms":   "24-01-31 06:00:01, 24-01-31 06:00:02, 24-01-31 06:00:03, 24-01-31 06:00:04",
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
		times, err := f.After(at, 4)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range times {
			got = append(got, x.Format("06-01-02 15:04:05"))
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s: %s, want %s", text, s, want)
		}
	}
	for text, want := range map[string]string{
		"": "must be such as", "0D": "at least 1 s", "-1D": "at least 1 s", "0W": "in [1, 1e6]", "X": "no unit", "W-XYZ": "no unit", "D-MON": "no unit",
		"1.5W": "must be whole", "5": "a number and a unit", "1h30": "a number and a unit", "1W2D": "nothing can be added", "2D1ME": "nothing can be added",
		"5m": "min (minutes), ME (last", "m": "MS (first days)", "5M": "ME (last days of months), MS", "5T": "write min", "H": "write h", "2S": "write s",
		"Q": "QE (last", "Q-DEC": "QE (last", "Y": "YE (last", "AS": "YS", "BH": "write bh", "5mins": "write min", "hour": "write h", "ms": "whole seconds", "1.5s": "whole seconds",
		"me": "no unit", "Ms": "no unit", "qs": "no unit", "BW": "no unit", "B-MON": "no unit", "MS-JAN": "no unit", "QS-XYZ": "no unit", "SMS-1": "in [2, 27]", "SME-28": "in [1, 27]",
		"WOM-5MON": "no unit", "LWOM-2FRI": "no unit", "1e3s": "no unit", "999999999D": "100 years",
	} {
		if _, err := table.ParseFrequency(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", text, err, want)
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

func TestFits(t *testing.T) {
	five := read(t, "ds,y\n2024-01-01 00:00:00,1\n2024-01-01 00:05:00,1\n2024-01-01 00:05:00,1\n2024-01-01 00:10:00,1\n2024-01-01 02:00:00,1\n", table.Wanted{})
	weekdays := read(t, "ds,y\n2024-01-04,1\n2024-01-05,1\n2024-01-08,1\n2024-01-09,1\n", table.Wanted{})
	months := read(t, "ds,y\n2024-01-01,1\n2024-02-01,1\n2024-03-01,1\n", table.Wanted{})
	for _, tt := range []struct {
		table *table.Table
		freq  string
		want  bool
		step  time.Duration
	}{
		{five, "5min", true, 5 * time.Minute}, {five, "D", false, 5 * time.Minute}, {five, "300s", true, 5 * time.Minute},
		{weekdays, "B", true, 24 * time.Hour}, {weekdays, "D", true, 24 * time.Hour}, {weekdays, "W", false, 24 * time.Hour},
		{months, "MS", true, 29 * 24 * time.Hour}, {months, "ME", false, 29 * 24 * time.Hour}, {months, "D", false, 29 * 24 * time.Hour},
		{read(t, "ds,y\n2024-01-01,1\n", table.Wanted{}), "D", true, 0},
	} {
		f, err := table.ParseFrequency(tt.freq)
		if err != nil {
			t.Fatal(err)
		}
		if got, step := f.Fits(tt.table); got != tt.want || step != tt.step {
			t.Errorf("%s: %v, %v, want %v, %v", tt.freq, got, step, tt.want, tt.step)
		}
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
