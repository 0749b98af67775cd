package bundle_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func manifest() bundle.Manifest {
	champion := 0.31
	return bundle.Manifest{
		BundleVersion:  "2019-07-29",
		ProgramVersion: "1.2.0",
		Seed:           1<<64 - 1,
		Window:         bundle.Window{Start: "2019-07-15T00:00:00Z", From: 0, To: 14112},
		Traces:         []bundle.Trace{{Name: "azure2019", Digest: bundle.Digest([]byte("trace"))}},
		Config:         json.RawMessage(`{"train": {"rounds": 100, "learning_rate": 0.10}, "name": "<night & day>", "empty": {}}`),
		Metrics:        map[string]float64{"forecast/wape": 0.25, "agent/regret": 1e-9},
		Verdict: &bundle.Verdict{Verdict: bundle.Accepted, Rules: []bundle.Rule{
			{Rule: "wape", Value: 0.25, Bound: 0.3, Champion: &champion, OK: true},
			{Rule: "cold", Value: 2, Bound: 3, OK: true},
		}},
	}
}

func files() []bundle.File {
	return []bundle.File{
		{Name: "priority.json", MediaType: bundle.MediaTypeJSON, Data: []byte(`{"w":[1,2]}`)},
		{Name: "forecast/total.txt", MediaType: bundle.MediaTypeLightGBM, Data: []byte("tree\nversion=v3\n")},
		{Name: "forecast/deep/x.onnx", MediaType: bundle.MediaTypeONNX, Data: []byte{8, 7, 0, 255}},
		{Name: "card.md", MediaType: bundle.MediaTypeMarkdown, Data: []byte("# Card\n")},
		{Name: "empty", MediaType: "application/octet-stream"},
	}
}

// create writes the bundle of manifest and files, with bundle version v, to a new folder.
func create(t testing.TB, v string) (*bundle.Bundle, string) {
	t.Helper()
	m := manifest()
	m.BundleVersion = v
	dir := filepath.Join(t.TempDir(), "bundle")
	b, err := bundle.Create(dir, m, files())
	if err != nil {
		t.Fatal(err)
	}
	return b, dir
}

func TestCreateThenOpen(t *testing.T) {
	created, dir := create(t, "a")
	opened, err := bundle.Open(dir, bundle.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if opened.Digest() != created.Digest() {
		t.Errorf("digest %s, want %s", opened.Digest(), created.Digest())
	}
	for _, f := range files() {
		got, err := opened.File(f.Name)
		if err != nil || !bytes.Equal(got, f.Data) {
			t.Errorf("%s: %q, %v; want %q", f.Name, got, err, f.Data)
		}
		info, err := os.Stat(filepath.Join(dir, f.Name))
		if err != nil || info.Mode() != 0o644 {
			t.Errorf("%s: mode %v, %v; want 0644", f.Name, info.Mode(), err)
		}
	}
	if _, err := opened.File("absent"); !errors.Is(err, bundle.ErrNotFound) {
		t.Errorf("absent file: %v", err)
	}
	if m := opened.Manifest(); m.Seed != 1<<64-1 || string(m.Config) != `{"empty":{},"name":"<night & day>","train":{"learning_rate":0.10,"rounds":100}}` {
		t.Errorf("manifest: seed %d, config %s", m.Seed, m.Config)
	}
	sha, err := os.ReadFile(filepath.Join(dir, bundle.ChecksumName))
	if err != nil || string(sha) != opened.Digest()+"  manifest.json\n" {
		t.Errorf("checksum file: %q, %v", sha, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".bundle-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWhatMethodsReturnIsACopy(t *testing.T) {
	b, _ := create(t, "a")
	data, _ := b.File("card.md")
	data[0] = 'X'
	m := b.Manifest()
	m.Metrics["x"], m.Files[0].Name, m.Verdict.Rules[0].OK, m.Config[0] = 1, "x", false, 'x'
	again := b.Manifest()
	if d, _ := b.File("card.md"); d[0] != '#' || len(again.Metrics) != 2 || again.Files[0].Name != "card.md" || !again.Verdict.Rules[0].OK || again.Config[0] != '{' {
		t.Error("the bundle changed through what it returned")
	}
}

func TestManifestGolden(t *testing.T) {
	b, dir := create(t, "2019-07-29")
	got, err := os.ReadFile(filepath.Join(dir, bundle.ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "v1", "manifest.json")
	if *update {
		if _, err := bundle.Replace(filepath.Join("testdata", "v1"), manifest(), files()); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("manifest changed; run go test -update and review:\n%s", got)
	}
	// A bundle written by an earlier version of this package stays readable.
	if old, err := bundle.Open(filepath.Join("testdata", "v1"), bundle.Policy{}); err != nil || old.Digest() != b.Digest() {
		t.Errorf("open v1: %v", err)
	}
}

func TestEqualInputsGiveEqualBytes(t *testing.T) {
	a, _ := create(t, "a")
	m := manifest()
	m.BundleVersion = "a"
	// The order of files, the spelling of the configuration and stale fields do not matter.
	m.Config = json.RawMessage("{\"empty\":{},\n\"name\":\"\\u003cnight & day\\u003e\",\"train\":{\"learning_rate\":0.10,\"rounds\":100}}")
	m.Files = []bundle.Descriptor{{Name: "stale"}}
	fs := files()
	slices.Reverse(fs)
	b, err := bundle.New(m, fs)
	if err != nil {
		t.Fatal(err)
	}
	if a.Digest() != b.Digest() {
		t.Errorf("digests %s and %s", a.Digest(), b.Digest())
	}
}

func TestCreateRefusesWhatIsThere(t *testing.T) {
	b, dir := create(t, "a")
	m := manifest()
	m.BundleVersion = "a"
	if again, err := bundle.Create(dir, m, files()); err != nil || again.Digest() != b.Digest() {
		t.Errorf("the same bundle again: %v", err)
	}
	m.BundleVersion = "b"
	if _, err := bundle.Create(dir, m, files()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("another bundle: %v, want fs.ErrExist", err)
	}
	if opened, err := bundle.Open(dir, bundle.Policy{}); err != nil || opened.Digest() != b.Digest() {
		t.Errorf("the first bundle was harmed: %v", err)
	}
	if _, err := bundle.Replace(dir, m, files()); err != nil {
		t.Errorf("replace: %v", err)
	}
	if opened, err := bundle.Open(dir, bundle.Policy{}); err != nil || opened.Manifest().BundleVersion != "b" {
		t.Errorf("after replace: %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(dir)); len(entries) != 1 {
		t.Errorf("replace left something behind: %v", entries)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "thesis.tex"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Replace(other, m, files()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("replace of a folder that is no bundle: %v, want fs.ErrExist", err)
	}
	if _, err := os.Stat(filepath.Join(other, "thesis.tex")); err != nil {
		t.Error(err)
	}
}

func TestNewRefusesBadInput(t *testing.T) {
	nan := 0.0
	nan /= nan
	for name, change := range map[string]func(*bundle.Manifest, *[]bundle.File){
		"no version": func(m *bundle.Manifest, _ *[]bundle.File) { m.BundleVersion = "" },
		"no program": func(m *bundle.Manifest, _ *[]bundle.File) { m.ProgramVersion = "" },
		"local time": func(m *bundle.Manifest, _ *[]bundle.File) { m.Window.Start = "2019-07-15T00:00:00+02:00" },
		"no time":    func(m *bundle.Manifest, _ *[]bundle.File) { m.Window.Start = "yesterday" },
		"backward fit": func(m *bundle.Manifest, _ *[]bundle.File) {
			m.Windows = &bundle.Windows{Fitted: bundle.Span{From: 2, To: 1}}
		},
		"early judgement":  func(m *bundle.Manifest, _ *[]bundle.File) { m.Windows = &bundle.Windows{Judged: bundle.Span{From: -1}} },
		"backward window":  func(m *bundle.Manifest, _ *[]bundle.File) { m.Window.To = -1 },
		"bad trace digest": func(m *bundle.Manifest, _ *[]bundle.File) { m.Traces[0].Digest = "md5:00" },
		"config list":      func(m *bundle.Manifest, _ *[]bundle.File) { m.Config = []byte("[]") },
		"config broken":    func(m *bundle.Manifest, _ *[]bundle.File) { m.Config = []byte("{") },
		"NaN metric":       func(m *bundle.Manifest, _ *[]bundle.File) { m.Metrics["x"] = nan },
		"NaN rule":         func(m *bundle.Manifest, _ *[]bundle.File) { m.Verdict.Rules[0].Value = nan },
		"no verdict":       func(m *bundle.Manifest, _ *[]bundle.File) { m.Verdict.Verdict = "perhaps" },
		"no media type":    func(_ *bundle.Manifest, f *[]bundle.File) { (*f)[0].MediaType = "" },
		"twice":            func(_ *bundle.Manifest, f *[]bundle.File) { *f = append(*f, (*f)[0]) },
		"file and folder":  func(_ *bundle.Manifest, f *[]bundle.File) { (*f)[0].Name = "forecast" },
	} {
		m, f := manifest(), files()
		change(&m, &f)
		if _, err := bundle.New(m, f); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, name := range []string{"", ".", "..", "../x", "a/../b", "/etc/passwd", "a//b", "a/", "./a", `a\b`, "C:x", "a\x00b", "a\nb", "\xff", "manifest.json", "manifest.sha256"} {
		f := files()
		f[0].Name = name
		if _, err := bundle.New(manifest(), f); err == nil {
			t.Errorf("file name %q: no error", name)
		}
	}
}

// TestOpenFindsEveryChangedByte flips every byte of every file in turn.
func TestOpenFindsEveryChangedByte(t *testing.T) {
	_, dir := create(t, "a")
	walk(t, dir, func(name string, data []byte) {
		for i := range data {
			bit := byte(1) << (i % 8)
			data[i] ^= bit
			write(t, name, data)
			if _, err := bundle.Open(dir, bundle.Policy{}); !errors.Is(err, bundle.ErrIntegrity) {
				t.Fatalf("%s, byte %d ^ %#x: %v", name, i, bit, err)
			}
			data[i] ^= bit
		}
		for _, other := range [][]byte{data[:max(len(data)-1, 0)], append(data[:len(data):len(data)], 0), nil} {
			if bytes.Equal(other, data) {
				continue
			}
			write(t, name, other)
			if _, err := bundle.Open(dir, bundle.Policy{}); !errors.Is(err, bundle.ErrIntegrity) {
				t.Errorf("%s with %d bytes for %d: %v", name, len(other), len(data), err)
			}
		}
		write(t, name, data)
	})
	if _, err := bundle.Open(dir, bundle.Policy{}); err != nil {
		t.Errorf("restored: %v", err)
	}
}

func TestOpenFindsMissingExtraAndStrangeFiles(t *testing.T) {
	_, dir := create(t, "a")
	walk(t, dir, func(name string, data []byte) {
		away := filepath.Join(t.TempDir(), "away")
		must(t, os.Rename(name, away))
		expect := func(what string) {
			if _, err := bundle.Open(dir, bundle.Policy{}); !errors.Is(err, bundle.ErrIntegrity) {
				t.Errorf("%s %s: %v", what, name, err)
			}
		}
		expect("missing")
		must(t, os.Symlink(away, name))
		expect("link outside for")
		must(t, os.Remove(name))
		must(t, os.Mkdir(name, 0o755)) // cannot be read
		expect("folder for")
		must(t, os.Remove(name))
		must(t, os.Rename(away, name))
	})
	for _, extra := range []string{"extra", "forecast/extra.txt", "forecast/.hidden"} {
		name := filepath.Join(dir, extra)
		write(t, name, nil)
		if _, err := bundle.Open(dir, bundle.Policy{}); !errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("extra %s: %v", extra, err)
		}
		must(t, os.Remove(name))
		must(t, os.Mkdir(name, 0o755))
		if _, err := bundle.Open(dir, bundle.Policy{}); !errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("extra folder %s: %v", extra, err)
		}
		must(t, os.Remove(name))
	}
	// A link to a folder inside the bundle that holds the right files is a link all the same.
	must(t, os.Rename(filepath.Join(dir, "forecast"), filepath.Join(filepath.Dir(dir), "forecast")))
	must(t, os.Symlink("../forecast", filepath.Join(dir, "forecast")))
	if _, err := bundle.Open(dir, bundle.Policy{}); !errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("linked folder: %v", err)
	}
}

// A file of 40 GB that takes no room on the disk is refused by its size, whether the manifest
// lists it, with its old size or that one, or not: reading it would take all memory.
func TestOpenRefusesSizesBeforeItReads(t *testing.T) {
	const huge = 40 << 30
	open := func(what string, change func(dir string)) string {
		t.Helper()
		_, dir := create(t, "a")
		change(dir)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := bundle.Open(dir, bundle.Policy{})
		runtime.ReadMemStats(&after)
		if !errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("%s: %v", what, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
			t.Errorf("%s: %d bytes were allocated", what, took)
		}
		return fmt.Sprint(err)
	}
	grow := func(name string) {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
		must(t, err)
		must(t, f.Truncate(huge))
		must(t, f.Close())
	}
	open("unlisted", func(dir string) { grow(filepath.Join(dir, "extra.bin")) })
	open("listed", func(dir string) { grow(filepath.Join(dir, "card.md")) })
	open("the manifest", func(dir string) { grow(filepath.Join(dir, bundle.ManifestName)) })
	open("its checksum", func(dir string) { grow(filepath.Join(dir, bundle.ChecksumName)) })
	said := open("listed with that size", func(dir string) {
		grow(filepath.Join(dir, "card.md"))
		name := filepath.Join(dir, bundle.ManifestName)
		data, err := os.ReadFile(name)
		must(t, err)
		// The keys of a descriptor are in the order of the alphabet or of the fields: its size is
		// the first one behind or before the name, within the braces.
		at := bytes.Index(data, []byte(`"card.md"`))
		from, to := bytes.LastIndexByte(data[:at], '{'), at+bytes.IndexByte(data[at:], '}')
		entry := regexp.MustCompile(`"size": ?[0-9]+`).ReplaceAll(data[from:to], fmt.Appendf(nil, `"size": %d`, int64(huge)))
		if bytes.Equal(entry, data[from:to]) {
			t.Fatalf("no size in %s", entry)
		}
		data = slices.Concat(data[:from], entry, data[to:])
		write(t, name, data)
		write(t, filepath.Join(dir, bundle.ChecksumName), []byte(strings.TrimPrefix(bundle.Digest(data), "sha256:")+"  "+bundle.ManifestName+"\n"))
	})
	if !strings.Contains(said, "(card.md): size 42949672960: expected at most 4294967296 bytes of all files together") {
		t.Errorf("listed with that size: %s", said)
	}
}

func TestOpenWithoutABundle(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "thesis.tex"), nil)
	for _, d := range []string{dir, filepath.Join(dir, "absent"), filepath.Join(dir, "thesis.tex")} {
		if _, err := bundle.Open(d, bundle.Policy{}); !errors.Is(err, bundle.ErrNotFound) || errors.Is(err, bundle.ErrIntegrity) {
			t.Errorf("%s: %v", d, err)
		}
	}
}

func TestOpenOfAnotherSchemaVersion(t *testing.T) {
	dir := t.TempDir()
	future := []byte(`{"schema_version": 2, "blobs": []}`)
	write(t, filepath.Join(dir, bundle.ManifestName), future)
	write(t, filepath.Join(dir, bundle.ChecksumName), []byte(strings.TrimPrefix(bundle.Digest(future), "sha256:")+"  manifest.json\n"))
	if _, err := bundle.Open(dir, bundle.Policy{}); !errors.Is(err, bundle.ErrSchemaVersion) || errors.Is(err, bundle.ErrIntegrity) {
		t.Errorf("got %v", err)
	}
}

func TestDiff(t *testing.T) {
	a, _ := create(t, "a")
	same, err := bundle.Diff(a, a)
	if err != nil || !same.Equal() {
		t.Errorf("a bundle differs from itself: %+v, %v", same, err)
	}
	m, f := manifest(), files()
	m.BundleVersion = "b"
	m.Config = json.RawMessage(`{"train":{"rounds":200,"learning_rate":0.10},"name":"<night & day>","empty":{"x":1}}`)
	delete(m.Metrics, "agent/regret")
	f[0].Data = []byte(`{"w":[2,1]}`)
	f[3].Name = "cards.md"
	b, err := bundle.New(m, f)
	if err != nil {
		t.Fatal(err)
	}
	c, err := bundle.Diff(a, b)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(c)
	want := `{"added":["cards.md"],"removed":["card.md"],"changed":["priority.json"],"values":[` +
		`{"key":"bundle_version","old":"a","new":"b"},{"key":"config.empty","old":{}},{"key":"config.empty.x","new":1},` +
		`{"key":"config.train.rounds","old":100,"new":200},{"key":"metrics.agent/regret","old":1e-9}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzDecodeManifest(f *testing.F) {
	b, err := bundle.New(manifest(), files())
	if err != nil {
		f.Fatal(err)
	}
	m := b.Manifest()
	encoded, err := bundle.EncodeManifest(&m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encoded)
	f.Add([]byte(`{"schema_version":1}`))
	f.Add([]byte(`{"schema_version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := bundle.DecodeManifest(data)
		if err != nil {
			if !errors.Is(err, bundle.ErrIntegrity) && !errors.Is(err, bundle.ErrSchemaVersion) {
				t.Errorf("error of no kind: %v", err)
			}
			return
		}
		again, err := bundle.EncodeManifest(m)
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("encodes to other bytes: %v\n%s\n%s", err, data, again)
		}
		for _, d := range m.Files {
			if !filepath.IsLocal(d.Name) {
				t.Errorf("file name %q leaves the bundle", d.Name)
			}
		}
	})
}

// walk calls do with the path and content of every file below dir.
func walk(t *testing.T, dir string, do func(name string, data []byte)) {
	t.Helper()
	var names []string
	must(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, name)
		}
		return err
	}))
	for _, name := range names {
		data, err := os.ReadFile(name)
		must(t, err)
		do(name, data)
	}
}

// write overwrites a file in place: thousands of files truncated to nothing first would
// make some file systems wait for the disk each time.
func write(t testing.TB, name string, data []byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
	must(t, err)
	_, err = f.WriteAt(data, 0)
	must(t, err)
	must(t, f.Truncate(int64(len(data))))
	must(t, f.Close())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWindowEnds(t *testing.T) {
	w := bundle.Window{Start: "2019-07-15T00:00:00Z", From: 60, To: 1500}
	if end, err := w.End(); err != nil || !end.Equal(time.Date(2019, 7, 16, 1, 0, 0, 0, time.UTC)) {
		t.Errorf("ends at %v, %v", end, err)
	}
	if _, err := (bundle.Window{To: 5}).End(); err == nil {
		t.Error("a trace without a date has an end")
	}
}
