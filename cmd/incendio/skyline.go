package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/incendio-faas/incendio/datasets"
)

// A width is how many characters a line may have.
type width struct {
	text    int // no limit where nothing tells: whoever reads a pipe wants it whole
	picture int
}

// usualWidth is that of a picture where nothing tells the width of the terminal.
const usualWidth = 80

// widthOf is the width of the terminal that w writes to, else what COLUMNS says.
func widthOf(w io.Writer) width {
	if o, ok := w.(*output); ok {
		w = o.w
	}
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return width{n, n}
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return width{n, n}
	}
	return width{math.MaxInt, usualWidth}
}

// fit joins as many of the cells of a row as there is room for, the first in any case.
func (w width) fit(cells ...string) string {
	row := cells[0]
	for _, c := range cells[1:] {
		if utf8.RuneCountInString(row+c) > w.text {
			break
		}
		row += c
	}
	return row
}

const (
	skyHeight = 4 // rows of a picture
	levels    = 8 // of a block
)

var blocks = []rune(" ▁▂▃▄▅▆▇█")

// skyline draws the course of a day as bars from 0 to the largest value, with that value
// and the hours at the axes; · stands where nothing was observed. Where there is no room
// for a bar each, two or more slots share one; where there is none for a picture, it is
// a sentence. Lines are at most width characters long, less the indent of two.
func skyline(day []datasets.Slot, width int) []string {
	peak := 0
	for i := range day {
		if day[i].PerMinute > day[peak].PerMinute {
			peak = i
		}
	}
	label := short(day[peak].PerMinute)
	room := width - 2 - len(label) - len("-|")
	per := 1
	for per < len(day) && (len(day)/per > room || len(day)%per != 0) {
		per++
	}
	if len(day)/per < fewestBars || len(day)/per > room || day[peak].PerMinute == 0 {
		return []string{fmt.Sprintf("at most %s, from %s on", label, clock(peak))}
	}
	bars := merge(day, per)
	var top float64 // lower than the peak where bars are shared
	for _, b := range bars {
		top = max(top, b.PerMinute)
	}
	label = fmt.Sprintf("%*s", len(label), short(top))
	var lines []string
	for row := skyHeight - 1; row >= 0; row-- {
		axis := strings.Repeat(" ", len(label)) + " │"
		switch row {
		case skyHeight - 1:
			axis = label + " ┤"
		case 0:
			axis = fmt.Sprintf("%*d ┤", len(label), 0)
		}
		var b strings.Builder
		for _, s := range bars {
			b.WriteRune(block(s, top, row))
		}
		lines = append(lines, strings.TrimRight(axis+b.String(), " "))
	}
	return append(lines, strings.Repeat(" ", len(label))+" └"+hours(len(bars)))
}

// fewestBars are still a picture.
const fewestBars = 8

// merge joins every n slots.
func merge(day []datasets.Slot, n int) []datasets.Slot {
	var out []datasets.Slot
	for part := range slices.Chunk(day, n) {
		var m datasets.Slot
		for _, s := range part {
			m.Minutes += s.Minutes
			m.PerMinute += float64(s.Minutes) * s.PerMinute
		}
		if m.Minutes > 0 {
			m.PerMinute /= float64(m.Minutes)
		}
		out = append(out, m)
	}
	return out
}

// block is the part of a bar that lies in a row, counted from the lowest.
func block(s datasets.Slot, top float64, row int) rune {
	if s.Minutes == 0 && row == 0 {
		return '·'
	}
	level := s.PerMinute / top * skyHeight * levels
	if s.PerMinute > 0 {
		level = max(level, 1) // little is not nothing
	}
	return blocks[int(min(max(level-float64(row*levels)+0.5, 0), levels))]
}

// hours is the axis below n bars that share a day: the hours at every quarter of it, or
// every half where that is too close.
func hours(n int) string {
	step := n / 4
	if step < len("00:00 ") {
		step = n / 2
	}
	var b strings.Builder
	for at := 0; at < n; at += max(step, 1) {
		mark := fmt.Sprintf("%02d:00", 24*at/n)
		if at+len(mark) > n {
			break
		}
		b.WriteString(strings.Repeat(" ", at-b.Len()) + mark)
	}
	return b.String()
}

// clock is the time at which the i-th slot of a day begins.
func clock(i int) string {
	minute := i * datasets.SlotMinutes
	return fmt.Sprintf("%02d:%02d", minute/60, minute%60)
}

// short writes a number of at most about four characters: 0.05, 7.3, 512, 12k, 1.2M.
func short(x float64) string {
	for _, u := range []struct {
		unit  float64
		label string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if x >= 0.9995*u.unit {
			return strconv.FormatFloat(round3(x/u.unit), 'f', -1, 64) + u.label
		}
	}
	return strconv.FormatFloat(round3(x), 'f', -1, 64)
}

// round3 rounds to three digits.
func round3(x float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 3, 64), 64)
	if err != nil {
		return x
	}
	return r
}

// clipEnd cuts text to n characters, the last an ellipsis.
func clipEnd(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:max(n-1, 0)]) + "…"
}
