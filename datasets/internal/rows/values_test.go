package rows_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

func TestCount(t *testing.T) {
	for cell, want := range map[string]string{
		"0": "0", "7": "7", " 12 ": "12", "999999999": "999999999", "5.0": "5", "1e3": "1000", "007": "7", "-0": "0",
		"": "bad number: n is missing", "x": `bad number: n "x": must be a number`, "NaN": `bad number: n is missing`,
		"inf": `bad number: n "inf": must be a number`, "1e999": `huge number: n "1e999": must be at most 999999999`,
		"-1": `negative number: n "-1": must not be negative`, "1000000000": `huge number: n "1000000000": must be at most 999999999`,
		"99999999999999999999": `huge number`, "1.5": `bad number: n "1.5": must be a whole number`, "0x10": "bad number", "1_000": "bad number",
		"1 2": "bad number", "true": "bad number", "٣": "bad number", "-1e999": "negative number",
	} {
		n, fault := rows.Count("n", []byte(cell))
		got := fmt.Sprint(n)
		if fault.Reason != "" {
			got = fault.Reason + ": " + fault.Msg
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s, expected %s", cell, got, want)
		}
	}
}

const day = 20000 // 4 October 2024

func TestMinute(t *testing.T) {
	for _, c := range []struct {
		clock       rows.Clock
		day, minute string // "-": no column
		want        string
	}{
		{rows.Clock{}, "3", "0", "3 0"}, {rows.Clock{}, "3", "1439", "3 1439"}, {rows.Clock{}, "3", "1440", "bad time: minute 1440: must be in [0, 1439]"},
		{rows.Clock{DayOrigin: 1, MinuteOrigin: 1}, "1", "1", "0 0"}, {rows.Clock{DayOrigin: 1, MinuteOrigin: 1}, "9", "1440", "8 1439"},
		{rows.Clock{DayOrigin: 1}, "0", "1", "bad time: day 0: must be at least 1"}, {rows.Clock{MinuteOrigin: 1}, "1", "0", "bad time: minute 0: must be in [1, 1440]"},
		{rows.Clock{}, "2024-10-04", "61", "20000 61"}, {rows.Clock{}, "2024-02-30", "61", "bad time: day \"2024-02-30\""}, {rows.Clock{}, "1960-01-01", "6", "bad time: day"},
		{rows.Clock{}, "3.0", "5.0", "3 5"}, {rows.Clock{}, "3", "5.5", "bad time: minute \"5.5\""}, {rows.Clock{}, "", "5", "bad time: day \"\""}, {rows.Clock{}, "-1", "5", "bad time: day \"-1\""},
		{rows.Clock{}, "3", "2024-10-04T00:00:00Z", "bad time: minute \"2024-10-04T00:00:00Z\": must be a number beside a column day; --columns day= leaves that out"},
		{rows.Clock{}, "-", "0", "0 0"}, {rows.Clock{}, "-", "1441", "1 1"}, {rows.Clock{MinuteOrigin: 1}, "-", "1441", "1 0"}, {rows.Clock{MinuteOrigin: 1}, "-", "0", "bad time: minute 0: must be at least 1"},
		{rows.Clock{Start: time.Unix(day*86400, 0)}, "-", "1441", "20001 1"}, {rows.Clock{Start: time.Unix(day*86400, 0)}, "2", "1", "20002 1"},
		{rows.Clock{Start: time.Unix(day*86400, 0)}, "-", "2024-10-04T10:15:59Z", "20000 615"},
		{rows.Clock{}, "-", "2024-10-04 23:59:00+00:00", "20000 1439"}, {rows.Clock{}, "-", "2024-10-04T00:30:00+01:00", "19999 1410"}, {rows.Clock{}, "-", "28800000", "20000 0"},
		{rows.Clock{}, "-", "2024-10-04T10:15:00", "20000 615"}, {rows.Clock{}, "-", "2024-10-04", "bad time: minute \"2024-10-04\": must be a whole number, or a date and time as in RFC 3339"},
		{rows.Clock{}, "-", "9999999999", "bad time: minute \"9999999999\": as minutes since 1970 it is the year 2.1e+04"}, {rows.Clock{}, "-", "", "bad time"}, {rows.Clock{}, "-", "-5", "bad time"}, {rows.Clock{}, "-", "NaN", "bad time"},
	} {
		on, at, fault := c.clock.Minute([]byte(c.day), []byte(c.minute), c.day != "-")
		got := fmt.Sprint(on, at)
		if fault.Reason != "" {
			got = fault.Reason + ": " + fault.Msg
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%+v day %q minute %q: %s, expected %s", c.clock, c.day, c.minute, got, c.want)
		}
	}
}

func TestArrival(t *testing.T) {
	for cell, want := range map[string]string{
		"0": "0 0", "86400": "1 0", "1.5": "0 1500000", "1.0000019": "0 1000001", "1728000000.25": "20000 250000", "1.728e9": "20000 0",
		"2024-10-04T00:00:01.25Z": "20000 1250000", "2024-10-04 01:00:00.000001+01:00": "20000 1",
		"-1": "bad time", "": "bad time", "NaN": "bad time", "1728000000000": "bad time: arrival \"1728000000000\": as seconds since 1970 it is the year 5.67e+04; it looks like milliseconds since 1970, 2024-10-04",
		"1.": "0 1000000", ".5": "0 500000", "2024-10-04": "bad time", "1969-12-31T23:59:59Z": "bad time",
	} {
		var c rows.Clock
		on, at, fault := c.Arrival([]byte(cell))
		got := fmt.Sprint(on, at)
		if fault.Reason != "" {
			got = fault.Reason + ": " + fault.Msg
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s, expected %s", cell, got, want)
		}
	}
}

// A number that is no date of our days says in which unit it would be one.
func TestUnits(t *testing.T) {
	start := time.Unix(day*86400, 0) // 2024-10-04
	for _, c := range []struct {
		clock             rows.Clock
		day, minute, time string // what is empty is not asked for
		want              string
	}{
		{minute: "1709164800", want: `minute "1709164800": as minutes since 1970 it is the year 5219; it looks like seconds since 1970, 2024-02-29`},
		{minute: "1709164800000", want: "it looks like milliseconds since 1970, 2024-02-29"},
		{minute: "1.7091648e+12", want: "it looks like milliseconds since 1970, 2024-02-29"},
		{minute: "1709164800000000", want: "it looks like microseconds since 1970, 2024-02-29"},
		{minute: "1709164800000000000", want: "it looks like nanoseconds since 1970, 2024-02-29"},
		{minute: "28486080", want: "ok"}, {minute: "5270399", want: "ok"}, {minute: "5270400", want: `minute "5270400": as minutes since 1970 it is the year 1980`},
		{minute: "-1", want: `minute "-1": must not be negative`}, {minute: "99999999999999999999", want: "must be a whole number"},
		{clock: rows.Clock{Start: start}, minute: "28486080", want: `minute "28486080": counted from 2024-10-04 it is the year 2078; it looks like one since 1970, 2024-02-29, so leave out --start`},
		{clock: rows.Clock{Start: start}, minute: "1709164800", want: "counted from 2024-10-04 it is the year 5274; it looks like seconds since 1970, 2024-02-29"},
		{clock: rows.Clock{Start: start}, minute: "1440", want: "ok"},
		{minute: "2199-01-01T00:00:00Z", want: `minute "2199-01-01T00:00:00Z": must be a date from 1990 to 2099; --start says that others are right`},
		{clock: rows.Clock{Start: time.Date(2198, 1, 1, 0, 0, 0, 0, time.UTC)}, minute: "2199-01-01T00:00:00Z", want: "ok"},
		{clock: rows.Clock{Start: time.Date(2198, 1, 1, 0, 0, 0, 0, time.UTC)}, minute: "7", want: "ok"},
		{minute: "1985-01-01T00:00:00Z", want: "must be a date from 1990"}, {minute: "1995-07-01T00:00:00Z", want: "ok"}, {minute: "1970-01-20T00:00:00Z", want: "ok"},
		{day: "1", minute: "1709164800", want: "minute 1709164800: must be in [0, 1439]; it looks like seconds since 1970, 2024-02-29; it says the day too: --columns day= leaves that out"},
		{day: "19782", minute: "5", want: "ok"}, {day: "1709164800", minute: "5", want: `day "1709164800": as days since 1970 it is the year 4.68e+06; it looks like seconds since 1970, 2024-02-29`},
		{day: "5000", minute: "5", want: "it is the year 1983"}, {clock: rows.Clock{Start: start}, day: "19782", minute: "5", want: "it looks like one since 1970, 2024-02-29, so leave out --start"},
		{day: "20240229", minute: "5", want: "ok"}, {day: "20240230", minute: "5", want: "as days since 1970"}, {day: "2024-02-29 00:00:00", minute: "5", want: "ok"},
		{day: "2024-02-29T00:00:00.000Z", minute: "5", want: "ok"}, {day: "2024-02-29 10:00:00", minute: "5", want: "must be a whole number or YYYY-MM-DD"}, {day: "2200-01-01", minute: "5", want: "must be a date from 1990"},
		{time: "1709164800", want: "ok"}, {time: "1709164800.25", want: "ok"}, {time: "1.7091648e9", want: "ok"}, {time: "86400.5", want: "ok"},
		{time: "1709164800000", want: `arrival "1709164800000": as seconds since 1970 it is the year 5.61e+04; it looks like milliseconds since 1970, 2024-02-29`},
		{time: "1709164800000.5", want: "it looks like milliseconds since 1970, 2024-02-29"}, {time: "1709164800000000", want: "it looks like microseconds"}, {time: "1709164800000000000", want: "it looks like nanoseconds"},
		{time: "500000000", want: "it is the year 1985"}, {time: "-5", want: "must not be negative"}, {time: "2199-01-01 00:00:00Z", want: "must be a date from 1990 to 2099"},
		{clock: rows.Clock{Start: start}, time: "1709164800", want: `arrival "1709164800": counted from 2024-10-04 it is the year 2078; it looks like one since 1970, 2024-02-29, so leave out --start`},
		{clock: rows.Clock{Start: start}, time: "1709164800000", want: "it looks like milliseconds since 1970, 2024-02-29"}, {clock: rows.Clock{Start: start}, time: "3600", want: "ok"},
	} {
		got, fault := "ok", rows.Fault{}
		if c.time != "" {
			_, _, fault = c.clock.Arrival([]byte(c.time))
		} else {
			_, _, fault = c.clock.Minute([]byte(c.day), []byte(c.minute), c.day != "")
		}
		if fault.Reason != "" {
			if got = fault.Msg; fault.Reason != rows.BadTime {
				t.Errorf("%+v: reason %s", c, fault.Reason)
			}
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%+v: %s", c, got)
		}
	}
	for v, want := range map[float64]string{
		1.7091648e12: "", 1.7091648e9: "the year 1970; it looks like seconds", 1.7091648e15: "it looks like microseconds", 1.7091648e18: "it looks like nanoseconds", 1000: "", 5e11: "the year 1985", 9e12: "the year 2255",
	} {
		fault := rows.Absolute("start", nil, v, time.Millisecond)
		if !strings.Contains(fault.Msg, want) || (fault.Reason == "") != (want == "") {
			t.Errorf("%g: %q, expected %q", v, fault.Msg, want)
		}
	}
}

// What is no mistake for certain is a note.
func TestOrigin(t *testing.T) {
	for want, minutes := range map[string][]string{
		"all minutes are multiples of 60":  {"0", "60", "120", "240", "600"},
		"dates are of the seventies":       {"1970-01-20T00:00:00Z"},
		"they count from 1970-01-01":       {"0", "60", "120", "240", "601"},
		"rows have numbers for times and ": {"60"},
	} {
		var c rows.Clock
		for _, m := range minutes {
			if _, _, fault := c.Minute(nil, []byte(m), false); fault.Reason != "" {
				t.Fatal(fault)
			}
		}
		notes := rows.DefaultOptions().Origin(&c)
		if !strings.Contains(strings.Join(notes, "\n"), want) || strings.Contains(want, "count") && len(notes) != 1 {
			t.Errorf("%q: notes %q", minutes, notes)
		}
	}
}

// Times of two kinds do not mix, and minutes from the other origin are noticed.
func TestClockRemembers(t *testing.T) {
	var c rows.Clock
	if _, _, fault := c.Arrival([]byte("2024-10-04T00:00:01Z")); fault.Reason != "" {
		t.Fatal(fault)
	}
	if _, _, fault := c.Arrival([]byte("5")); fault.Reason != rows.BadTime || !c.Dated() {
		t.Errorf("%v", fault)
	}
	for _, o := range []struct {
		origin  int
		minutes []string
		want    string
	}{
		{0, []string{"0", "1439"}, ""}, {0, []string{"1", "1440"}, "--minute-origin 1"}, {0, []string{"0", "1440"}, ""}, {0, []string{"1", "1439"}, ""},
		{1, []string{"1", "1440"}, ""}, {1, []string{"0", "1439"}, "--minute-origin 0"}, {1, []string{"0", "1440"}, ""},
	} {
		c := rows.Clock{MinuteOrigin: o.origin}
		for _, m := range o.minutes {
			c.Minute([]byte("1"), []byte(m), true)
		}
		err := c.Origin()
		if (err == nil) != (o.want == "") || err != nil && !strings.Contains(err.Error(), o.want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// Whatever the text, a time is the one that the standard library reads.
func FuzzTime(f *testing.F) {
	for _, s := range []string{"2024-02-29T23:59:59.999999999Z", "1970-01-01T00:00:00z", "2100-02-29T00:00:00Z", "9999-12-31T23:59:59-23:59", "2024-10-04 10:00:00+14:00", "2016-12-31T23:59:60Z", "2024-10-04T1:00:00+01:00", "2000-02-29T00:00:00.Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		seconds, micros, ok := rows.ParseTime([]byte(s))
		std := s
		if len(std) > 10 && (std[10] == ' ' || std[10] == 't') {
			std = std[:10] + "T" + std[11:]
		}
		if strings.HasSuffix(std, "z") {
			std = std[:len(std)-1] + "Z"
		}
		if len(std) > 12 && std[12] == ':' {
			return // package time takes an hour of one digit
		}
		var want time.Time
		err := want.UnmarshalText([]byte(std))
		valid := err == nil && want.Unix() >= 0 && want.Unix() < 253402300800
		leap := len(s) > 18 && s[17:19] == "60"
		if ok != valid && !leap {
			t.Fatalf("%q: ok %t, package time says %v, %v", s, ok, want, err)
		}
		if ok && !leap && (seconds != want.Unix() || micros != int64(want.Nanosecond()/1000)) {
			t.Fatalf("%q: %d s %d us, package time says %v", s, seconds, micros, want)
		}
	})
}

func TestEveryDate(t *testing.T) {
	for d := time.Unix(0, 0).UTC(); d.Year() < 2405; d = d.AddDate(0, 0, 1) {
		seconds, _, ok := rows.ParseTime([]byte(d.Format(time.RFC3339)))
		if !ok || seconds != d.Unix() {
			t.Fatalf("%v: %d, %t", d, seconds, ok)
		}
	}
}

// What the plain scanner accepts, encoding/json reads alike.
func FuzzJSON(f *testing.F) {
	f.Add(`{"a":1,"b":"x"}`)
	f.Add(` { "a" : -0.5e-3 , "b" : null } `)
	f.Add(`{"a":tru}`)
	f.Add(`{"a":"x}`)
	f.Add("{}")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		if plain, slow, ok := rows.ParseObject([]byte(s)); ok && !slices.Equal(plain, slow) {
			t.Fatalf("%q: %q, encoding/json has %q", s, plain, slow)
		}
	})
}

func TestSpan(t *testing.T) {
	for _, c := range []struct {
		days  []int64 // of the rows
		start int64
		n     int
		empty []int
		stray []int64
	}{
		{[]int64{5, 6, 7}, 5, 3, nil, []int64{4, 8}},
		{[]int64{5, 8}, 5, 4, []int{1, 2}, nil},
		{[]int64{0, 100, 101, 131, 9000}, 100, 32, nil, []int64{0, 9000}},
		{[]int64{100, 0}, 0, 1, nil, []int64{100}},
	} {
		var s rows.Span
		for i, d := range c.days {
			s.AddRow(int64(i+1), d, 5)
		}
		if err := s.Settle(); err != nil {
			t.Fatal(err)
		}
		if s.Start().Unix() != c.start*86400 || s.Days() != c.n || s.Window(true) != (datasets.Window{From: 0, To: c.n * 1440}) ||
			s.Window(false) != (datasets.Window{From: 5, To: (c.n-1)*1440 + 6}) {
			t.Errorf("%v: %d days from %v, %v", c.days, s.Days(), s.Start(), s.Window(false))
		}
		if c.empty != nil && !slices.Equal(s.Empty(), c.empty) {
			t.Errorf("%v: empty days %v, expected %v", c.days, s.Empty(), c.empty)
		}
		for _, d := range c.stray {
			if fault := s.Check(d); fault.Reason != rows.StrayTime {
				t.Errorf("%v: day %d is no stray", c.days, d)
			}
		}
		for _, d := range []int64{c.start, c.start + int64(c.n) - 1} {
			if fault := s.Check(d); fault.Reason != "" {
				t.Errorf("%v: day %d: %v", c.days, d, fault)
			}
		}
	}
	var long, wide, none rows.Span
	for d := int64(0); d < 5000; d += 30 {
		long.AddRow(d, d, 0)
	}
	if err := long.Settle(); err == nil || err.Error() != "rows from 1970-01-01 to 1983-08-21: a trace must have at most 3660 days" {
		t.Errorf("%v", err)
	}
	for d := int64(0); d < 1<<17+1; d++ {
		wide.AddRow(d, 40*d, 0)
	}
	if err := wide.Settle(); err == nil || !strings.Contains(err.Error(), "more than 131072 different days") {
		t.Errorf("%v", err)
	}
	if err := none.Settle(); err != nil || none.Days() != 0 || none.Window(true) != (datasets.Window{From: 0, To: 1440}) {
		t.Errorf("%v, %v", err, none.Window(true))
	}
	if fault := none.Check(3); fault.Reason != "" {
		t.Errorf("an empty span checks nothing, got %v", fault)
	}
}

func TestFunctions(t *testing.T) {
	key := func(owner, app, name string) rows.Key {
		return rows.Key{Owner: []byte(owner), App: []byte(app), Name: []byte(name)}
	}
	f := rows.NewFunctions([]datasets.Function{{ID: 0, Owner: "o", App: "a", Name: "f", Trigger: datasets.Timer}})
	f.In("x.csv")
	for _, c := range []struct {
		key  rows.Key
		want string
	}{
		{key("o", "a", "f"), "0"}, {key("", "", "f"), "1"}, {key("", "", "f"), "1"}, {key("o", "", "f"), "2"}, {key("", "o", "f"), "3"}, {key("o", "a", "f"), "0"},
		{key("", "", ""), "bad key: function \"\": must be 1 to 256 bytes of UTF-8"}, {key("", "", "\xff"), "bad key: function \"\\xff\": must be 1 to 256 bytes of UTF-8, which this is not"}, {key("", "\x00", "f"), "bad key"},
		{key(strings.Repeat("x", 257), "", "f"), "bad key: owner \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\": must be 0 to 256 bytes of UTF-8, and this has 257"}, {key(strings.Repeat("x", 256), "", "f"), "4"},
		{rows.Key{Name: []byte("g"), Trigger: []byte("http ")}, "5"}, {rows.Key{Name: []byte("h"), Trigger: []byte("cron"), Line: 7}, "6"}, {rows.Key{Name: []byte("h"), Trigger: []byte("Queue")}, "6"},
		{rows.Key{Name: []byte("h"), Trigger: []byte("others")}, "6"}, {rows.Key{Name: []byte("h"), Trigger: []byte("NaN")}, "6"},
		{rows.Key{Owner: []byte("o"), App: []byte("a"), Name: []byte("f"), Trigger: []byte("event"), Line: 9}, "0"},
	} {
		id, fault := f.ID(c.key)
		got := fmt.Sprint(id)
		if fault.Reason != "" {
			got = fault.Reason + ": " + fault.Msg
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, expected %s", c.key.Name, got, c.want)
		}
	}
	table := f.Finish(1, nil)
	if len(table) != 7 || table[6].Trigger != datasets.Queue || table[0].Trigger != datasets.Timer || table[1].Trigger != datasets.Others || table[5].Trigger != datasets.HTTP || table[3].App != "o" || table[5].Memory != 170<<20 {
		t.Errorf("%+v", table)
	}
	if notes, want := f.Notes(), []string{
		`trigger: 1 rows with a word that is none of [http timer event queue storage orchestration others], taken as others; the first is "cron" (x.csv:7)`,
		`trigger: 1 functions have several, of which the first one stays; the first is "f" from timer to event (x.csv:9)`,
	}; !slices.Equal(notes, want) {
		t.Errorf("notes %q, expected %q", notes, want)
	}
}

type number struct{ order, value uint32 }

var numbers = rows.Codec[number]{
	Size: 8,
	Put: func(b []byte, n number) {
		binary.LittleEndian.PutUint32(b, n.order)
		binary.LittleEndian.PutUint32(b[4:], n.value)
	},
	Get: func(b []byte) number {
		return number{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])}
	},
	Compare: func(a, b number) int { return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.value, b.value)) },
}

// However many records fit into memory, every day comes back sorted and whole.
func TestDays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const days = 3
		d := rows.NewDays(days, rapid.IntRange(1, 40).Draw(t, "held"), numbers)
		want := make([][]number, days)
		next := 0
		take := func() {
			var got []number
			for n, err := range d.Take(next) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, n)
			}
			slices.SortFunc(want[next], numbers.Compare)
			if !slices.Equal(got, want[next]) {
				t.Fatalf("day %d: %v, expected %v", next, got, want[next])
			}
			next++
		}
		for i := range rapid.IntRange(0, 200).Draw(t, "records") {
			day := rapid.IntRange(0, days-1).Draw(t, "day")
			n := number{uint32(rapid.IntRange(0, 9).Draw(t, "order")), uint32(i)}
			err := d.Add(day, n)
			if (err != nil) != (day < next) {
				t.Fatalf("day %d after %d were taken: error %v", day, next, err)
			}
			if err == nil {
				want[day] = append(want[day], n)
			}
			if next < days-1 && rapid.IntRange(0, 50).Draw(t, "take") == 0 {
				take()
			}
		}
		for next < days {
			take()
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
