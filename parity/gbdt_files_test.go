//go:build parity

package parity_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/train"
	"github.com/incendio-faas/incendio/train/gbdt"
	"github.com/incendio-faas/incendio/train/gbdt/lightgbm"
)

// files is the number of random files that TestGBDTFiles tries.
const files = 300

// stricter are the errors with which we refuse what LightGBM reads as nonsense: see
// "Differs from LightGBM" in docs/models.md.
var stricter = []string{"label must be a number", "the label is missing", "weight must be at least 0", "weights must not all be 0"}

// TestGBDTFiles lets LightGBM train on and predict random files with empty cells,
// quotes, blank lines, ragged ends, headers, and columns of labels and weights. Models
// and scores must be equal, and what LightGBM refuses must be refused.
func TestGBDTFiles(t *testing.T) {
	r := seed.Stream(7, "parity/gbdt-files")
	dir := t.TempDir()
	type training struct {
		Parameters map[string]any `json:"parameters"`
		Train      string         `json:"train"`
		Predict    string         `json:"predict"`
		Header     bool           `json:"header"`
		Trees      int            `json:"trees"`
	}
	var jobs []training
	for i := range files {
		name := func(what string) string { return filepath.Join(dir, fmt.Sprint(i, what)) }
		f := randomFile(r)
		j := training{Parameters: f.parameters, Train: name(".train"), Predict: name(".predict"), Header: f.header, Trees: 4}
		for path, text := range map[string]string{j.Train: f.text, j.Predict: f.unseen} {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		jobs = append(jobs, j)
	}
	var theirs []struct {
		Text string
		Raw  []float64
	}
	peer(t, "gbdt_files.py", jobs, &theirs)
	trained, predicted, refused, ours := 0, 0, 0, 0
	for i, j := range jobs {
		where := fmt.Sprintf("file %d, %v", i, j.Parameters)
		m, err := trainOn(j.Train, j.Parameters, j.Header, j.Trees)
		want := theirs[i]
		switch {
		case err != nil && want.Text == "":
			refused++
			continue
		case err != nil && slices.ContainsFunc(stricter, func(s string) bool { return strings.Contains(err.Error(), s) }):
			ours++
			continue
		case err != nil || want.Text == "":
			t.Errorf("%s: error %v; LightGBM refuses it: %v\n%s", where, err, want.Text == "", tail(t, j.Train))
			continue
		}
		var text bytes.Buffer
		if err := m.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		a := strings.TrimSpace(text.String())
		b := strings.TrimSpace(strings.Replace(want.Text, "version=v4", "version=v3", 1))
		if n := strings.Count(a, "\nTree="); n < j.Trees {
			a, b = firstTrees(a, n), firstTrees(b, n)
		}
		b = strings.ReplaceAll(b, "\nleaf_weight=\n", "\nleaf_weight=0\n")
		if a, b = withoutSizes(a), withoutSizes(b); a != b {
			t.Errorf("%s: %s\n%s", where, firstLine(a, b), tail(t, j.Train))
			continue
		}
		trained++
		d, err := lightgbm.ReadRows(j.Predict, m, j.Header, j.Parameters["precise_float_parser"] == true)
		switch {
		case err != nil && want.Raw == nil:
			refused++
			continue
		case err != nil || want.Raw == nil:
			t.Errorf("%s: predict: error %v; LightGBM refuses it: %v\n%s", where, err, want.Raw == nil, tail(t, j.Predict))
			continue
		}
		raw := make([]float64, d.Table.Rows)
		for k := range raw {
			raw[k] = m.PredictRaw(d.Table.Row(k))
		}
		if !slices.Equal(raw, want.Raw) {
			t.Errorf("%s: scores %v, by LightGBM %v\n%s", where, raw, want.Raw, tail(t, j.Predict))
			continue
		}
		predicted++
	}
	t.Logf("%d models and the scores of %d files are LightGBM's, both refuse %d files, we alone %d", trained, predicted, refused, ours)
	if trained < files/4 || predicted < files/5 || refused < files/20 {
		t.Error("the files are too much of one kind to tell")
	}
}

// trainOn trains as the program does.
func trainOn(path string, parameters map[string]any, header bool, trees int) (*gbdt.Model, error) {
	arguments := []string{"header=" + strconv.FormatBool(header), "num_trees=" + strconv.Itoa(trees)}
	for k, v := range parameters {
		arguments = append(arguments, fmt.Sprintf("%s=%v", k, v))
	}
	c, err := lightgbm.Parse(strings.NewReader(""), "none", arguments)
	if err != nil {
		return nil, err
	}
	d, err := lightgbm.ReadTable(path, c.Layout)
	if err != nil {
		return nil, err
	}
	o, err := c.Resolve(d)
	if err != nil {
		return nil, err
	}
	m, _, err := gbdt.Train(context.Background(), d.Table, nil, o, train.Discard)
	if m != nil {
		m.LabelIndex = d.Label
	}
	return m, err
}

// tail returns the last lines of a file, quoted.
func tail(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%q … %q", data[:min(len(data), 200)], data[max(0, len(data)-300):])
}

// A foreign file is one as a person might have made.
type foreign struct {
	text, unseen string // to train on and to predict
	header       bool
	parameters   map[string]any
}

func randomFile(r *rand.Rand) foreign {
	one := func(n int) bool { return r.IntN(n) == 0 }
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	f := foreign{header: one(4), parameters: map[string]any{
		"objective": "regression", "num_leaves": 2 + r.IntN(12), "min_data_in_leaf": 1 + r.IntN(6), "min_data_in_bin": 1 + r.IntN(3),
	}}
	width := 2 + r.IntN(5)
	label := 0
	if one(3) {
		label = r.IntN(width)
		f.parameters["label_column"] = label
	}
	if width > 2 && one(5) {
		f.parameters["weight_column"] = r.IntN(width - 1)
	}
	precise := one(6)
	if precise {
		f.parameters["precise_float_parser"] = true
	}
	separator := ","
	if one(4) {
		separator = "\t"
	}
	end := pick("\n", "\n", "\n", "\r\n", "\r\n", "\n\n")
	// What may go wrong in this file.
	empty, last, blank, white, ragged, quoted, odd := one(2), one(2), one(3), one(8), one(3), one(15), one(3)
	weight, weighted := f.parameters["weight_column"].(int)
	cell := func(column int) string {
		if quoted && one(60) {
			return `"3"`
		}
		s := strconv.FormatFloat(float64(r.IntN(60))/[]float64{1, 4, 10}[r.IntN(3)]-2, 'g', -1, 64)
		if weighted && column-1+min(1, max(0, label-column+1)) == weight && column != label {
			s = strings.TrimPrefix(s, "-")
			if column == width-1 && last && one(6) {
				s = ""
			}
			return s
		}
		if column == label && column != width-1 {
			return s
		}
		switch {
		case empty && one(5), last && column == width-1 && one(4):
			return ""
		case one(10):
			return pick("0", "0", "-0", "1e-36")
		case odd && one(8):
			if column == label {
				return pick("+3", ".5", "5.", "1e1", "007")
			}
			if precise {
				return pick("nan", "+3", ".5", "5.", "-nan", " 3", "1e1", "007")
			}
			return pick("NA", "nan", "null", "-", "+", " 3 ", "3e", ".", "-NaN", " ", "1e1", "007", "e2")
		}
		return s
	}
	file := func(rows int, first bool) string {
		var b strings.Builder
		if blank && one(4) {
			b.WriteString(strings.Repeat("\n", 1+r.IntN(2)))
		}
		if f.header {
			for c := range width {
				if c > 0 {
					b.WriteString(separator)
				}
				b.WriteString("c" + strconv.Itoa(c))
			}
			b.WriteString(pick("\n", end))
		}
		for k := range rows {
			n := width
			if ragged && k > 40 && one(9) {
				n = 1 + r.IntN(width+2)
			}
			for c := range n {
				if c > 0 {
					b.WriteString(separator)
				}
				if k == 0 && first {
					b.WriteString("2") // so that not too many files are refused for it
				} else {
					b.WriteString(cell(c))
				}
			}
			if ragged && k > 40 && one(9) {
				b.WriteString(separator)
			}
			if k < rows-1 || one(2) {
				b.WriteString(end)
			}
			if blank && one(12) {
				b.WriteString(strings.Repeat(end, 1+r.IntN(3)))
			}
			if white && one(60) {
				b.WriteString("  \n")
			}
		}
		return b.String()
	}
	f.text, f.unseen = file(60+r.IntN(200), true), file(50+r.IntN(30), !one(4))
	return f
}
