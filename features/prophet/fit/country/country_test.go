package country_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/features/prophet"
	"github.com/incendio-faas/incendio/features/prophet/fit/country"
)

func dates(h prophet.Holiday) (out []string) {
	for _, d := range h.Dates {
		out = append(out, d.String())
	}
	return out
}

func TestHolidays(t *testing.T) {
	got, err := country.Holidays("us", 2020, 2022)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]string{}
	for i, h := range got {
		if i > 0 && h.Name <= got[i-1].Name {
			t.Errorf("%q after %q", h.Name, got[i-1].Name)
		}
		by[h.Name] = strings.Join(dates(h), " ")
	}
	for name, want := range map[string]string{
		"Christmas Day":            "2020-12-25 2021-12-25 2022-12-25",
		"Christmas Day (observed)": "2021-12-24 2022-12-26",
		"Thanksgiving Day":         "2020-11-26 2021-11-25 2022-11-24",
		"New Year's Day":           "2020-01-01 2021-01-01 2022-01-01",
		// 1 January 2022 was made up for in the year before.
		"New Year's Day (observed)": "2021-12-31",
	} {
		if by[name] != want {
			t.Errorf("%s: %s, want %s", name, by[name], want)
		}
	}
	// Easter moves, and regions have days of their own.
	germany, err := country.Holidays("DE", 2024, 2024)
	if err != nil {
		t.Fatal(err)
	}
	bavaria, err := country.Holidays("de-by", 2024, 2024)
	if err != nil {
		t.Fatal(err)
	}
	has := func(all []prophet.Holiday, day string) bool {
		return slices.ContainsFunc(all, func(h prophet.Holiday) bool { return slices.Contains(dates(h), day) })
	}
	if !has(germany, "2024-03-29") || has(germany, "2024-01-06") || !has(bavaria, "2024-01-06") {
		t.Errorf("Germany %v, Bavaria %v", germany, bavaria)
	}
	if _, err := country.Holidays("XX", 2024, 2024); err == nil || !strings.Contains(err.Error(), `"XX"`) || !strings.Contains(err.Error(), "ZA") {
		t.Errorf("an unknown country: error %v", err)
	}
}

// TestLocalTime: the dates are those of the calendar, wherever the program runs.
func TestLocalTime(t *testing.T) {
	here := time.Local
	defer func() { time.Local = here }()
	want, err := country.Holidays("UK", 2019, 2030)
	if err != nil {
		t.Fatal(err)
	}
	for _, hours := range []int{-11, 13} {
		time.Local = time.FixedZone("there", hours*3600)
		got, err := country.Holidays("GB", 2019, 2030)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got, want, func(a, b prophet.Holiday) bool { return a.Name == b.Name && slices.Equal(a.Dates, b.Dates) }) {
			t.Errorf("other dates %d hours from here", hours)
		}
	}
}

// TestEveryCalendar has holidays, none of which is empty.
func TestEveryCalendar(t *testing.T) {
	for _, code := range country.Codes() {
		got, err := country.Holidays(code, 2015, 2025)
		if err != nil || len(got) == 0 {
			t.Errorf("%s: %d holidays, error %v", code, len(got), err)
		}
		for _, h := range got {
			if h.Name == "" || len(h.Dates) == 0 {
				t.Errorf("%s: %+v", code, h)
			}
		}
	}
}
