package rows

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/missing"
)

var triggers = []datasets.Trigger{
	datasets.HTTP, datasets.Timer, datasets.EventTrigger, datasets.Queue,
	datasets.Storage, datasets.Orchestration, datasets.Others,
}

// Triggers joins what the rows of an input, and a trace that it continues, say of the
// triggers of functions. Others is what a log says where it does not know: the first known
// trigger of a function is its trigger, in the order of the rows, however these are cut
// into files and ingests.
type Triggers struct {
	file string

	unknown      int64 // rows with another word
	firstUnknown string

	changed     map[datasets.FunctionID]bool // functions with several known ones
	firstChange string
}

// In says of which file the rows are that follow.
func (t *Triggers) In(file string) { t.file = file }

// Join takes the cell of a row of function f, which has a trigger, perhaps Others.
func (t *Triggers) Join(f *datasets.Function, cell []byte, line int) {
	if len(cell) == 0 || string(cell) == string(f.Trigger) { // as nearly all are
		return
	}
	word := bytes.TrimSpace(cell)
	if missing.Is(word) {
		return
	}
	i := slices.IndexFunc(triggers, func(known datasets.Trigger) bool { return strings.EqualFold(string(known), string(word)) })
	if i < 0 {
		if t.unknown++; t.unknown == 1 {
			t.firstUnknown = fmt.Sprintf("%.40q (%s)", word, t.place(line))
		}
		return
	}
	switch now := triggers[i]; {
	case now == datasets.Others || now == f.Trigger:
	case f.Trigger == datasets.Others:
		f.Trigger = now
	case !t.changed[f.ID]:
		if t.changed == nil {
			t.changed = map[datasets.FunctionID]bool{}
			t.firstChange = fmt.Sprintf("%.60q from %s to %s (%s)", f.Name, f.Trigger, now, t.place(line))
		}
		t.changed[f.ID] = true
	}
}

func (t *Triggers) place(line int) string {
	return fmt.Sprintf("%s:%d", t.file, line)
}

// Notes says what of the triggers was not used.
func (t *Triggers) Notes() []string {
	var notes []string
	if t.unknown > 0 {
		notes = append(notes, fmt.Sprintf("trigger: %d rows with a word that is none of %v, taken as %s; the first is %s", t.unknown, triggers, datasets.Others, t.firstUnknown))
	}
	if n := len(t.changed); n > 0 {
		notes = append(notes, fmt.Sprintf("trigger: %d functions have several, of which the first one stays; the first is %s", n, t.firstChange))
	}
	return notes
}
