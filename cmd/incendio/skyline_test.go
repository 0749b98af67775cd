package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

// ramp is a day that grows by one every half hour, with two hours that nobody observed.
func ramp() []datasets.Slot {
	day := make([]datasets.Slot, 48)
	for i := range day {
		day[i] = datasets.Slot{Minutes: 30, PerMinute: float64(i)}
	}
	for i := 8; i < 12; i++ {
		day[i] = datasets.Slot{}
	}
	return day
}

func TestSkyline(t *testing.T) {
	for _, c := range []struct {
		width int
		want  string
	}{
		{80, `
47 ┤                                    ▁▁▂▃▃▄▅▅▆▇▇█
   │                         ▁▂▂▃▄▄▅▆▆▇█████████████
   │             ▁▂▂▃▄▄▅▆▆▇█████████████████████████
 0 ┤ ▁▁▂▃▃▄▅····████████████████████████████████████
   └00:00       06:00       12:00       18:00`},
		// Two half hours a bar: the highest is the mean of 46 and 47.
		{53, `
46.5 ┤                  ▁▂▄▅▇█
     │            ▁▂▄▅▆███████
     │      ▁▂▃▅▆▇████████████
   0 ┤▁▂▃▄··██████████████████
     └00:00 06:00 12:00 18:00`},
		{12, "\nat most 47, from 23:30 on"},
		{0, "\nat most 47, from 23:30 on"},
	} {
		if got := "\n" + strings.Join(skyline(ramp(), c.width), "\n"); got != c.want {
			t.Errorf("width %d:%s\nexpected%s", c.width, got, c.want)
		}
	}
	if got := skyline(make([]datasets.Slot, 48), 80); len(got) != 1 || got[0] != "at most 0, from 00:00 on" {
		t.Errorf("a day without invocations: %q", got)
	}
}

// Whatever the width, no line of the picture is wider, and little is not nothing.
func TestSkylineFits(t *testing.T) {
	day := ramp()
	day[20].PerMinute = 1e-3
	day[47].PerMinute = 987654321
	for width := 8 * 4; width < 120; width++ {
		for _, line := range skyline(day, width) {
			if n := utf8.RuneCountInString(line) + 2; n > width {
				t.Errorf("width %d: %d characters: %s", width, n, line)
			}
		}
	}
	lines := skyline(day, 100)
	if low := []rune(lines[3]); low[len(low)-48+20] != '▁' {
		t.Errorf("a thousandth is not seen: %s", lines[3])
	}
}

func TestShort(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0", 0.05: "0.05", 7.256: "7.26", 999.4: "999", 999.5: "1k", 1000: "1k", 12345: "12.3k",
		608123: "608k", 999499: "999k", 999500: "1M", 6.5e9: "6.5G", 2e13: "20T",
	} {
		if got := short(x); got != want {
			t.Errorf("%g: %s, expected %s", x, got, want)
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -100: "-100", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %s, expected %s", n, got, want)
		}
	}
}

// Names of files come from outside: what moves the cursor is not printed, and a long one
// is cut.
func TestPortraitOfStrangeNames(t *testing.T) {
	p := portrait{Description: parquet.Description{
		Name: strings.Repeat("n", 100), Format: "counts", Functions: 1, Invocations: 2, Days: 1,
		Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC),
		Files: []datasets.SourceFile{{Name: "\x1b[2J\n" + strings.Repeat("ü", 300)}, {Name: "last"}},
	}}
	p.Classes = []datasets.RateClass{{Name: "never"}, {Name: "at most once a day", Functions: 1, Invocations: 2}}
	var out bytes.Buffer
	p.write(&out, width{64, 64})
	if strings.ContainsAny(out.String(), "\x1b") {
		t.Errorf("a control character was printed: %q", out.String())
	}
	lines := strings.Split(out.String(), "\n")
	for _, line := range lines[1:] { // the name is not cut: --trace needs it
		if n := utf8.RuneCountInString(line); n > 64 {
			t.Errorf("%d characters: %s", n, line)
		}
	}
	if !strings.Contains(out.String(), "files        2: \uFFFD[2J\uFFFDüü") {
		t.Errorf("%s", out.String())
	}
}
