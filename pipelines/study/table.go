package study

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/incendio-faas/incendio/scheduler/sim"
)

// A Column of a table.
type Column struct {
	Key    string // in JSON
	Head   string // for people, with the unit
	Format string // of fmt for numbers; "" for texts
}

// A Table has a row for each thing that was tried. A cell is a string, an int, a float64,
// a [sim.Estimate], or nil where there is nothing to say.
type Table struct {
	Title   string
	Columns []Column
	Rows    [][]any
}

// add appends a row.
func (t *Table) add(cells ...any) {
	if len(cells) != len(t.Columns) {
		panic(fmt.Sprintf("study: a row of %d cells in a table of %d columns", len(cells), len(t.Columns)))
	}
	t.Rows = append(t.Rows, cells)
}

// MarshalJSON writes the rows as objects, with keys in the order of the columns.
func (t Table) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	title, err := json.Marshal(t.Title)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, `{"title":%s,"rows":[`, title)
	for i, row := range t.Rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('{')
		for k, cell := range row {
			if k > 0 {
				b.WriteByte(',')
			}
			if x, ok := cell.(float64); ok && (math.IsNaN(x) || math.IsInf(x, 0)) {
				cell = nil
			}
			value, err := json.Marshal(cell)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "%q:%s", t.Columns[k].Key, value)
		}
		b.WriteByte('}')
	}
	b.WriteString("]}")
	return b.Bytes(), nil
}

// text of a cell.
func (c Column) text(cell any) string {
	switch v := cell.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return ""
		}
		return fmt.Sprintf(c.Format, v)
	case sim.Estimate:
		if v.CI95[0] == v.CI95[1] {
			return fmt.Sprintf(c.Format, v.Mean)
		}
		return fmt.Sprintf(c.Format+" ["+c.Format+", "+c.Format+"]", v.Mean, v.CI95[0], v.CI95[1])
	}
	return fmt.Sprintf(c.Format, cell)
}

// Text writes the table for a terminal.
func (t Table) Text(out io.Writer) error {
	if t.Title != "" {
		fmt.Fprintln(out, t.Title)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, c := range t.Columns {
		fmt.Fprintf(w, "%s\t", c.Head)
	}
	fmt.Fprintln(w)
	for _, row := range t.Rows {
		for k, cell := range row {
			fmt.Fprintf(w, "%s\t", t.Columns[k].text(cell))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// Markdown writes the table for a page.
func (t Table) Markdown(b *bytes.Buffer) {
	if t.Title != "" {
		fmt.Fprintf(b, "**%s**\n\n", t.Title)
	}
	for _, c := range t.Columns {
		fmt.Fprintf(b, "| %s ", c.Head)
	}
	b.WriteString("|\n")
	for _, c := range t.Columns {
		if c.Format == "" {
			b.WriteString("| --- ")
		} else {
			b.WriteString("| ---: ")
		}
	}
	b.WriteString("|\n")
	for _, row := range t.Rows {
		for k, cell := range row {
			text := t.Columns[k].text(cell)
			if k == 0 && t.Columns[k].Format == "" {
				text = "`" + text + "`"
			}
			fmt.Fprintf(b, "| %s ", strings.ReplaceAll(text, "|", `\|`))
		}
		b.WriteString("|\n")
	}
}

// Markdown is the whole result as a page, with its figures as files beside it.
func (r *Result) Markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s. Seed %d", r.Title, r.Source, r.Seed)
	if r.Seeds > 1 {
		fmt.Fprintf(&b, " and the %d after it; [intervals] are 95 %%", r.Seeds-1)
	}
	b.WriteString(".\n\n")
	for _, s := range r.Setup {
		fmt.Fprintf(&b, "%s\n\n", s)
	}
	for _, t := range append(append([]Table(nil), r.Tables...), r.Timing...) {
		t.Markdown(&b)
		b.WriteByte('\n')
	}
	if len(r.Claims) > 0 {
		b.WriteString("| | paper | here | why |\n| --- | --- | --- | --- |\n")
		for _, c := range r.Claims {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.What, c.Paper, c.Ours, c.Why)
		}
		b.WriteByte('\n')
	}
	for _, l := range r.LeftOut {
		fmt.Fprintf(&b, "- left out: %s\n", l)
	}
	for _, f := range r.Figures {
		fmt.Fprintf(&b, "\n![%s](%s.svg)\n\n%s\n", f.Caption, f.ID, f.Caption)
	}
	return b.Bytes()
}
