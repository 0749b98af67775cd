package scheduler_test

import (
	"bytes"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/scheduler"
)

// hostile has the files of a small bundle by name.
func hostile(t testing.TB) (content map[string][]byte, names []string) {
	t.Helper()
	m := modeltest.Models(t)
	m.Index = indexSettings()
	m.Index.Used = false
	content, err := m.Files()
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.MakeGolden(modeltest.Start, 1000, 7)
	if err != nil {
		t.Fatal(err)
	}
	g.Worlds = g.Worlds[:2] // so that more is tried in the time
	for i := range g.Worlds {
		g.Worlds[i].Log = g.Worlds[i].Log[:min(16, len(g.Worlds[i].Log))]
	}
	if content[scheduler.GoldenFile], err = bundle.CanonicalJSON(g); err != nil {
		t.Fatal(err)
	}
	return content, slices.Sorted(maps.Keys(content))
}

// use opens the bundle of these files as a loader does.
func use(t testing.TB, content map[string][]byte) (*scheduler.Models, error) {
	t.Helper()
	var list []bundle.File
	for _, name := range slices.Sorted(maps.Keys(content)) {
		list = append(list, bundle.File{Name: name, MediaType: bundle.MediaTypeJSON, Data: content[name]})
	}
	b, err := bundle.New(bundle.Manifest{BundleVersion: "1", ProgramVersion: "test"}, list)
	if err != nil {
		t.Fatal(err)
	}
	return scheduler.Use(b)
}

// FuzzUse opens a bundle one file of which is anything: golden cases, JSON, a network or trees. That
// may fail, but not panic, and takes memory and time in proportion to the file.
func FuzzUse(f *testing.F) {
	content, names := hostile(f)
	for i, name := range names {
		f.Add(uint8(i), content[name])
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		name := names[int(which)%len(names)]
		now := maps.Clone(content)
		now[name] = data
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		m, err := use(t, now)
		took := time.Since(begin)
		runtime.ReadMemStats(&after)
		if err == nil && m == nil {
			t.Fatalf("%s: neither models nor an error", name)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20+uint64(len(data))<<12 {
			t.Fatalf("%s of %d bytes: %d MB were allocated", name, len(data), used>>20)
		}
		if took > 20*time.Second {
			t.Fatalf("%s of %d bytes took %v", name, len(data), took)
		}
	})
}

// TestHostileBundles: what asks for much more than it has bytes is refused, or opened in bounded
// memory and time.
func TestHostileBundles(t *testing.T) {
	content, _ := hostile(t)
	golden := scheduler.GoldenFile
	for _, c := range []struct{ file, from, to, want string }{
		{golden, `"concurrency":1`, `"concurrency":1000000000000`, "concurrency must be in"},
		{golden, `"minute":`, `"minute":-`, "minute must be in"},
		{golden, `"minute":`, `"minute":9000000`, "minute must be in"},
		{golden, `"cores":`, `"cores":99999`, "cores in"},
		{golden, `"memory":134217728`, `"memory":1`, "containers must fit"},
		{golden, `"period":`, `"period":-`, "period must be"},
		{golden, `"gaps":[1,`, `"gaps":[-1,`, "a minute or gap must be in"},
		{golden, `"log":[[0,4,`, `"log":[[0,44,`, "event kind must be in"},
		{golden, `"log":[[0,4,-1,-1,`, `"log":[[0,0,0,1000000000,`, "requests must have small numbers"},
		{golden, `"log":[[0,4,`, `"log":[[900000000000000,4,`, "whole numbers in"},
		{golden, `"version":1`, `"version":7`, "version must be"},
		{"forecast/model.json", `"hours": 1`, `"hours": 100000000`, "hours must be in"},
		{"agent/clusters.json", `"candidates": 4`, `"candidates": 400000000`, "candidates must be in"},
		{"index.json", `"window_s": 30`, `"window_s": 1e-300`, ""},
	} {
		now := maps.Clone(content)
		if now[c.file] = bytes.ReplaceAll(content[c.file], []byte(c.from), []byte(c.to)); bytes.Equal(now[c.file], content[c.file]) {
			t.Fatalf("%s has no %s", c.file, c.from)
		}
		begin := time.Now()
		_, err := use(t, now)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %s: error is %v, want one with %q", c.file, c.to, err, c.want)
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("%s with %s took %v", c.file, c.to, took)
		}
	}
	// A function that is expected to be called 10^13 times at once gets what containers there is
	// room for, and no loop over the others.
	m := modeltest.Models(t)
	m.Forecast.Functions[2].IAT.Batch, m.Forecast.Functions[2].IAT.Rate = 1e13, 1
	if err := m.Compile(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if _, err := m.MakeGolden(modeltest.Start, 1000, 7); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("10^13 expected calls took %v", took)
	}
}
