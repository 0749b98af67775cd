package rows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// What programs write of 23:59:30.25 on 29 February 2024, UTC, and without a zone.
func TestWrittenTimes(t *testing.T) {
	for cell, micros := range map[string]int64{
		"2024-02-29T23:59:30.25Z": 250_000, "2024-02-29 23:59:30.25": 250_000, "2024/02/29 23:59:30": 0,
		"2024-02-29 23:59:30+00": 0, "2024-02-29 23:59:30 UTC": 0, "2024-02-29 23:59:30+0000": 0, "2024-02-29 23:59:30.250 +0000 UTC": 250_000,
		"2024-03-01T00:59:30+0100": 0, "2024-02-29T18:29:30 -05:30": 0,
	} {
		var c rows.Clock
		day, at, fault := c.Arrival([]byte(cell))
		if fault.Reason != "" || day != 19782 || at != (23*3600+59*60+30)*1_000_000+micros {
			t.Errorf("%q: day %d, %d us, %v", cell, day, at, fault)
		}
	}
	for _, cell := range []string{"2024-02-29", "2024-02-29 23", "2024-02-30 10:00", "2024-02-29 24:00", "2024-02/29 10:00", "2024-02-29 10:00 CET", "2024-02-29 10:00+1", "2024-02-29 10:00:", "2024-02-29 10:00 +0100 UTC", "2024-02-29 10:00" + strings.Repeat(" ", 80) + "Z", "29.02.2024 10:00"} {
		var c rows.Clock
		if _, _, fault := c.Arrival([]byte(cell)); fault.Reason != rows.BadTime {
			t.Errorf("%q: %v", cell, fault)
		}
	}
	var c rows.Clock
	if day, minute, fault := c.Minute(nil, []byte("2024-02-29 23:59"), false); fault.Reason != "" || day != 19782 || minute != 23*60+59 {
		t.Errorf("day %d, minute %d, %v", day, minute, fault)
	}
	if notes := rows.DefaultOptions().Origin(&c); len(notes) != 1 || !strings.Contains(notes[0], "taken as UTC") {
		t.Errorf("notes %q", notes)
	}
}

// A zone holds for times that have none of their own, through both changes of its clocks.
func TestZones(t *testing.T) {
	for _, c := range []struct{ zone, cell, want string }{
		{"Europe/Berlin", "2024-02-29 00:30:00", "2024-02-28T23:30:00Z"},
		{"Europe/Berlin", "2024-02-29 00:30:00Z", "2024-02-29T00:30:00Z"},
		{"Europe/Berlin", "2024-07-01 00:30:00", "2024-06-30T22:30:00Z"},
		{"Europe/Berlin", "2024-03-31 01:59:59", "2024-03-31T00:59:59Z"},
		{"Europe/Berlin", "2024-03-31 02:00:00", ""},
		{"Europe/Berlin", "2024-03-31 02:59:59", ""},
		{"Europe/Berlin", "2024-03-31 03:00:00", "2024-03-31T01:00:00Z"},
		{"Europe/Berlin", "2024-10-27 01:59:59", "2024-10-26T23:59:59Z"},
		{"Europe/Berlin", "2024-10-27 02:00:00", "2024-10-27T00:00:00Z"}, // the first of two
		{"Europe/Berlin", "2024-10-27 02:59:59", "2024-10-27T00:59:59Z"},
		{"Europe/Berlin", "2024-10-27 03:00:00", "2024-10-27T02:00:00Z"},
		{"America/New_York", "2024-03-10 02:30", ""},
		{"America/New_York", "2024-11-03 01:30", "2024-11-03T05:30:00Z"},    // the first of two
		{"Australia/Lord_Howe", "2024-04-07 01:45", "2024-04-06T14:45:00Z"}, // half an hour, the first of two
		{"Asia/Kolkata", "2024-02-29 05:30", "2024-02-29T00:00:00Z"},
	} {
		o := rows.DefaultOptions()
		o.Zone = c.zone
		if err := o.Validate(nil); err != nil {
			t.Fatal(err)
		}
		clock := o.Clock()
		day, micros, fault := clock.Arrival([]byte(c.cell))
		if c.want == "" {
			if fault.Reason != rows.BadTime || !strings.Contains(fault.Msg, "never showed this in "+c.zone) {
				t.Errorf("%s %s: %d, %v", c.zone, c.cell, day, fault)
			}
			continue
		}
		if got := time.Unix(day*86400, micros*1000).UTC().Format(time.RFC3339); got != c.want || fault.Reason != "" {
			t.Errorf("%s %s: %s, %v; expected %s", c.zone, c.cell, got, fault, c.want)
		}
		notes := strings.Join(o.Origin(&clock), "\n")
		if strings.Contains(notes, "showed twice the first is taken: rows 1") != strings.Contains("2024-10-27 02:00:00 2024-10-27 02:59:59 2024-11-03 01:30 2024-04-07 01:45", c.cell) {
			t.Errorf("%s %s: notes %q", c.zone, c.cell, notes)
		}
		if err := clock.Origin(); (err != nil) != strings.HasSuffix(c.cell, "Z") {
			t.Errorf("%s %s: %v", c.zone, c.cell, err)
		}
	}
	for _, zone := range []string{"Local", "Berlin", "../etc/passwd", "+01:00"} {
		o := rows.DefaultOptions()
		o.Zone = zone
		if err := o.Validate(nil); err == nil || !strings.Contains(err.Error(), "IANA") {
			t.Errorf("%q: %v", zone, err)
		}
	}
	plain, utc, berlin := rows.DefaultOptions(), rows.DefaultOptions(), rows.DefaultOptions()
	utc.Zone, berlin.Zone = "UTC", "Europe/Berlin"
	if plain.Parameters() != utc.Parameters() || plain.Parameters() == berlin.Parameters() {
		t.Errorf("%q, %q, %q", plain.Parameters(), utc.Parameters(), berlin.Parameters())
	}
}
