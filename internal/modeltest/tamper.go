package modeltest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/export/onnx"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/agent"
	"github.com/incendio-faas/incendio/scheduler/forecast"
)

// A Tamperer changes the files of a bundle as somebody would who can write them and mends every
// digest, but has no key.
type Tamperer struct {
	Kind   string
	change func(r *rand.Rand, files map[string][]byte) (string, bool)
}

// Tamperers change files of every kind that the run time reads but the golden cases, and the
// trees for other run times.
func Tamperers() []Tamperer {
	ts := []Tamperer{
		{"number of trees", numberOf(".txt", treeNumber)},
		{"lines of trees", linesOfTrees},
		{"weight of a network", weight},
		{"part of a network", layer},
		{"files exchanged", exchange},
		{"bytes of any file", anyByte},
		{"words of JSON", words},
		{"trees as ONNX", numberOfONNX},
	}
	for _, name := range []string{
		forecast.ModelFile, forecast.FunctionsFile, forecast.ProphetFile, scheduler.FunctionsFile, scheduler.PriorityFile, scheduler.ClustersFile,
		scheduler.SlicesFile, scheduler.IndexFile,
	} {
		ts = append(ts, Tamperer{"number of " + name, numberOf(name, jsonNumber)}, Tamperer{"rows of " + name, rowsOf(name)})
	}
	return ts
}

// Apply changes files, whose contents it replaces, and reports what it did and whether there was
// something to change.
func (t Tamperer) Apply(r *rand.Rand, files map[string][]byte) (what string, ok bool) {
	return t.change(r, files)
}

// pick returns the name of a file with that extension, or of that name.
func pick(r *rand.Rand, files map[string][]byte, suffix string) (string, bool) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if (name == suffix || path.Ext(name) == suffix) && name != scheduler.GoldenFile {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", false
	}
	return names[r.IntN(len(names))], true
}

var (
	treeLine   = regexp.MustCompile(`(?m)^(?:split_feature|threshold|decision_type|left_child|right_child|leaf_value)=.*$`)
	treeNumber = regexp.MustCompile(`[= ](-?[0-9][-+0-9.e]*)`)
	jsonNumber = regexp.MustCompile(`(?m)(?:: |^\s+)(-?[0-9][-+0-9.eE]*),?$`)
)

// numberOf changes a number in a file by a small or a large factor, or by one.
func numberOf(file string, number *regexp.Regexp) func(*rand.Rand, map[string][]byte) (string, bool) {
	return func(r *rand.Rand, files map[string][]byte) (string, bool) {
		name, ok := pick(r, files, file)
		if !ok {
			return "", false
		}
		from, to := 0, len(files[name])
		if lines := treeLine.FindAllIndex(files[name], -1); number == treeNumber && len(lines) > 0 { // one that decides
			l := lines[r.IntN(len(lines))]
			from, to = l[0], l[1]
		}
		at := number.FindAllSubmatchIndex(files[name][from:to], -1)
		if len(at) == 0 {
			return "", false
		}
		m := at[r.IntN(len(at))]
		m[2], m[3] = m[2]+from, m[3]+from
		old := string(files[name][m[2]:m[3]])
		v, err := strconv.ParseFloat(old, 64)
		if err != nil {
			return "", false
		}
		factors := []float64{0, -1, 0.1, 0.5, 0.9, 0.99, 0.999, 1.001, 1.01, 1.1, 2, 10, 1000, 1e9}
		v *= factors[r.IntN(len(factors))]
		if k := r.IntN(4); k < 2 {
			v += float64(2*k - 1)
		}
		text := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(old, ".e") && r.IntN(4) > 0 {
			text = strconv.FormatFloat(float64(int64(min(max(v, -9e18), 9e18))), 'f', -1, 64)
		}
		files[name] = slices.Concat(files[name][:m[2]], []byte(text), files[name][m[3]:])
		return fmt.Sprintf("%s: %s to %s", name, old, text), text != old
	}
}

// linesOfTrees exchanges two lines of one meaning, values of a line, or trees.
func linesOfTrees(r *rand.Rand, files map[string][]byte) (string, bool) {
	name, ok := pick(r, files, ".txt")
	if !ok {
		return "", false
	}
	text := string(files[name])
	if blocks := strings.Split(text, "\nTree="); r.IntN(3) == 0 && len(blocks) > 2 {
		i, j := 1+r.IntN(len(blocks)-1), 1+r.IntN(len(blocks)-1)
		blocks[i], blocks[j] = blocks[j], blocks[i]
		files[name] = []byte(strings.Join(blocks, "\nTree="))
		return fmt.Sprintf("%s: trees %d and %d", name, i, j), i != j
	}
	lines := strings.Split(text, "\n")
	key := []string{"leaf_value=", "threshold=", "split_feature=", "left_child=", "decision_type="}[r.IntN(5)]
	var at []int
	for i, l := range lines {
		if strings.HasPrefix(l, key) {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return "", false
	}
	i, j := at[r.IntN(len(at))], at[r.IntN(len(at))]
	if i != j && r.IntN(2) == 0 {
		lines[i], lines[j] = lines[j], lines[i]
	} else {
		values := strings.Fields(lines[i][len(key):])
		a, b := r.IntN(len(values)), r.IntN(len(values))
		values[a], values[b] = values[b], values[a]
		lines[i] = key + strings.Join(values, " ")
	}
	files[name] = []byte(strings.Join(lines, "\n"))
	return fmt.Sprintf("%s: %s of lines %d and %d", name, key, i, j), string(files[name]) != text
}

// network changes a Q-network.
func network(r *rand.Rand, files map[string][]byte, change func(n *agent.Network)) (string, bool) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Dir(name) == "agent" && path.Ext(name) == ".onnx" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", false
	}
	name := names[r.IntN(len(names))]
	graph, err := onnx.Decode(files[name])
	if err != nil {
		return "", false
	}
	n, err := agent.Load(graph)
	if err != nil {
		return "", false
	}
	change(n)
	if graph, err = n.Graph(); err != nil {
		return "", false
	}
	old := files[name]
	files[name] = onnx.Encode(graph)
	return name, !bytes.Equal(old, files[name])
}

func weight(r *rand.Rand, files map[string][]byte) (string, bool) {
	return network(r, files, func(n *agent.Network) {
		l := n.Layers()[r.IntN(7)]
		to := l.Weight
		if len(l.Bias) > 0 && r.IntN(4) == 0 {
			to = l.Bias
		}
		to[r.IntN(len(to))] *= []float32{0, -1, 0.5, 0.9, 0.99, 1.01, 1.1, 2, 10, 1000}[r.IntN(10)]
	})
}

func layer(r *rand.Rand, files map[string][]byte) (string, bool) {
	return network(r, files, func(n *agent.Network) {
		l := n.Layers()[r.IntN(7)]
		switch r.IntN(3) {
		case 0:
			clear(l.Weight)
		case 1:
			slices.Reverse(l.Weight)
		default:
			for i := range l.Weight {
				l.Weight[i] *= 1.05
			}
		}
	})
}

// exchange gives two files of a kind each other's content.
func exchange(r *rand.Rand, files map[string][]byte) (string, bool) {
	a, ok := pick(r, files, []string{".txt", ".onnx", ".json"}[r.IntN(3)])
	if !ok {
		return "", false
	}
	b, _ := pick(r, files, path.Ext(a))
	same := bytes.Equal(files[a], files[b])
	files[a], files[b] = files[b], files[a]
	return a + " and " + b, !same
}

func anyByte(r *rand.Rand, files map[string][]byte) (string, bool) {
	name, ok := pick(r, files, []string{".txt", ".onnx", ".json"}[r.IntN(3)])
	if !ok {
		return "", false
	}
	data := bytes.Clone(files[name])
	at := r.IntN(len(data))
	data[at] ^= 1 << r.IntN(8)
	files[name] = data
	return fmt.Sprintf("%s: byte %d", name, at), true
}

func numberOfONNX(r *rand.Rand, files map[string][]byte) (string, bool) {
	name, ok := pick(r, files, ".onnx")
	if !ok || path.Dir(name) != "forecast" {
		return "", false
	}
	data := bytes.Clone(files[name])
	data[r.IntN(len(data))] ^= 1 << r.IntN(8)
	files[name] = data
	return name, true
}

var jsonWord = regexp.MustCompile(`"([^"\\]*)"(,?)\n`)

// words exchanges two strings that are values, of one file.
func words(r *rand.Rand, files map[string][]byte) (string, bool) {
	name, ok := pick(r, files, ".json")
	if !ok {
		return "", false
	}
	at := jsonWord.FindAllSubmatchIndex(files[name], -1)
	if len(at) < 2 {
		return "", false
	}
	from, to := at[r.IntN(len(at))], at[r.IntN(len(at))]
	old, text := string(files[name][from[2]:from[3]]), string(files[name][to[2]:to[3]])
	files[name] = slices.Concat(files[name][:from[2]], []byte(text), files[name][from[3]:])
	return fmt.Sprintf("%s: %s to %s", name, old, text), old != text
}

// rowsOf exchanges, drops or repeats elements of a list of a file.
func rowsOf(name string) func(*rand.Rand, map[string][]byte) (string, bool) {
	return func(r *rand.Rand, files map[string][]byte) (string, bool) {
		var v any
		d := json.NewDecoder(bytes.NewReader(files[name]))
		d.UseNumber()
		if files[name] == nil || d.Decode(&v) != nil {
			return "", false
		}
		type list struct {
			of  []any
			set func([]any)
		}
		var lists []list
		var walk func(v any, set func([]any))
		walk = func(v any, set func([]any)) {
			switch v := v.(type) {
			case []any:
				if len(v) > 1 {
					lists = append(lists, list{v, set})
				}
				for i := range v {
					walk(v[i], func(to []any) { v[i] = to })
				}
			case map[string]any:
				for _, k := range slices.Sorted(maps.Keys(v)) {
					walk(v[k], func(to []any) { v[k] = to })
				}
			}
		}
		walk(v, func(to []any) { v = to })
		if len(lists) == 0 {
			return "", false
		}
		l := lists[r.IntN(len(lists))]
		i, j := r.IntN(len(l.of)), r.IntN(len(l.of))
		what := "exchanged"
		switch r.IntN(3) {
		case 0:
			l.of[i], l.of[j] = l.of[j], l.of[i]
		case 1:
			what = "dropped"
			l.set(slices.Delete(slices.Clone(l.of), i, i+1))
		default:
			what = "repeated"
			l.of[i] = l.of[j]
		}
		data, err := json.Marshal(v)
		if err != nil {
			return "", false
		}
		files[name] = data
		return fmt.Sprintf("%s: rows %d and %d %s", name, i, j, what), true
	}
}

// A Tally counts what became of changed bundles.
type Tally struct {
	Kind     string
	Unread   int // no models: nothing decides by them
	Caught   int // decide otherwise and were refused
	Missed   int // decide otherwise and were opened
	Cautious int // decide alike and were refused
	Harmless int // decide alike and were opened
	Another  int // of those opened, models that are not those of the bundle
}

// Tamper changes b, of which start is the midnight of minute 0, n times by each of the kinds, mends all digests, and counts
// what scheduler.Use says of those that decide otherwise in at least snapshots situations that
// are not golden cases.
func Tamper(t testing.TB, b *bundle.Bundle, start time.Time, n, snapshots int) []Tally {
	t.Helper()
	manifest := b.Manifest()
	original := map[string][]byte{}
	types := map[string]string{}
	for _, d := range manifest.Files {
		data, err := b.File(d.Name)
		if err != nil {
			t.Fatal(err)
		}
		original[d.Name], types[d.Name] = data, d.MediaType
	}
	models, err := scheduler.Use(b)
	if err != nil {
		t.Fatal(err)
	}
	worlds := fresh(t, models, start, manifest.Window.To, snapshots)
	content, err := models.Files()
	if err != nil {
		t.Fatal(err)
	}
	var out []Tally
	for _, by := range Tamperers() {
		tally := Tally{Kind: by.Kind}
		r := rand.New(rand.NewPCG(7, uint64(len(out))))
		for range n {
			files := maps.Clone(original)
			what, ok := by.Apply(r, files)
			if !ok {
				continue
			}
			var list []bundle.File
			for _, name := range slices.Sorted(maps.Keys(files)) {
				list = append(list, bundle.File{Name: name, MediaType: types[name], Data: files[name]})
			}
			changed, err := bundle.New(manifest, list)
			if err != nil {
				t.Fatal(err)
			}
			m, err := scheduler.Load(changed.File)
			if err != nil {
				if _, err := scheduler.Use(changed); err == nil {
					t.Fatalf("%s: models that cannot be loaded are used", what)
				}
				tally.Unread++
				continue
			}
			g, err := m.Golden(changed) // as scheduler.Use does, but without loading twice
			if err != nil {
				t.Fatal(err)
			}
			err = m.Replay(g)
			switch otherwise := Otherwise(m, worlds) || !sameSlices(m, models); {
			case otherwise && err != nil:
				tally.Caught++
			case otherwise:
				tally.Missed++
				t.Logf("%s: decides otherwise and was opened: %s", by.Kind, what)
			case err != nil:
				tally.Cautious++
			default:
				tally.Harmless++
			}
			if err == nil {
				now, err := m.Files()
				if err != nil {
					t.Fatal(err)
				}
				if !maps.EqualFunc(now, content, bytes.Equal) {
					tally.Another++
					t.Logf("%s: is another model and was opened: %s", by.Kind, what)
				}
			}
		}
		out = append(out, tally)
	}
	return out
}

// Changed is the bundle b of other models, with golden cases of their own.
func Changed(t testing.TB, b *bundle.Bundle, start time.Time, change func(m *scheduler.Models)) *bundle.Bundle {
	t.Helper()
	m, err := scheduler.Load(b.File)
	if err != nil {
		t.Fatal(err)
	}
	change(m)
	if err := m.Compile(); err != nil {
		t.Fatal(err)
	}
	manifest := b.Manifest()
	g, err := m.MakeGolden(start, manifest.Window.To, manifest.Seed)
	if err != nil {
		t.Fatal(err)
	}
	content, err := m.Files()
	if err != nil {
		t.Fatal(err)
	}
	if content[scheduler.GoldenFile], err = bundle.CanonicalJSON(g); err != nil {
		t.Fatal(err)
	}
	var list []bundle.File
	for _, d := range manifest.Files {
		data, ok := content[d.Name]
		if !ok {
			if data, err = b.File(d.Name); err != nil {
				t.Fatal(err)
			}
		}
		list = append(list, bundle.File{Name: d.Name, MediaType: d.MediaType, Data: data})
	}
	out, err := bundle.New(manifest, list)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fresh are worlds with so many decisions of m that are no golden cases.
func fresh(t testing.TB, m *scheduler.Models, start time.Time, minute, snapshots int) []scheduler.GoldenWorld {
	t.Helper()
	var out []scheduler.GoldenWorld
	have := 0
	for k := uint64(0); have < snapshots; k++ {
		worlds, err := m.MakeWorlds(start, minute+int(k)*1999, 1000+k, 12)
		if err != nil {
			t.Fatal(err)
		}
		for i := range worlds {
			have += worlds[i].Decisions()
		}
		if out = append(out, worlds...); k > 100 {
			t.Fatalf("%d situations in %d worlds, want %d", have, len(out), snapshots)
		}
	}
	t.Logf("%d situations in %d worlds", have, len(out))
	return out
}

// Otherwise reports whether m decides otherwise in one of the worlds.
func Otherwise(m *scheduler.Models, worlds []scheduler.GoldenWorld) bool {
	for i := range worlds {
		if _, err := m.ReplayWorld(&worlds[i]); err != nil {
			return true
		}
	}
	return false
}

// sameSlices reports whether machines that share their CPU by the slices of the two do it alike.
func sameSlices(a, b *scheduler.Models) bool {
	if a.Slices == nil || b.Slices == nil {
		return a.Slices == b.Slices
	}
	return a.Slices.Sharing == b.Slices.Sharing && a.Slices.Options == b.Slices.Options && slices.EqualFunc(a.Slices.Classes, b.Slices.Classes, equal)
}

func equal[T comparable](a, b T) bool { return a == b }

// Report prints the tallies and returns the part of those that decide otherwise that was caught.
func Report(t testing.TB, tallies []Tally) float64 {
	t.Helper()
	sum := Tally{Kind: "all"}
	for _, c := range tallies {
		sum.Unread += c.Unread
		sum.Caught += c.Caught
		sum.Missed += c.Missed
		sum.Cautious += c.Cautious
		sum.Harmless += c.Harmless
		sum.Another += c.Another
	}
	t.Logf("%-32s %7s | otherwise: %7s %7s | alike: %7s %7s | %s", "kind", "unread", "refused", "opened", "refused", "opened", "opened, another model")
	for _, c := range append(tallies, sum) {
		t.Logf("%-32s %7d | %18d %7d | %14d %7d | %d", c.Kind, c.Unread, c.Caught, c.Missed, c.Cautious, c.Harmless, c.Another)
	}
	return float64(sum.Caught) / float64(max(1, sum.Caught+sum.Missed))
}
