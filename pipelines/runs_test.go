package pipelines_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/pipelines"
	"github.com/incendio-faas/incendio/pipelines/stage"
)

// TestRecords: a run that is repeated adds a record, and the times of its stages stay what they were.
func TestRecords(t *testing.T) {
	cfg := after(t)
	before, err := pipelines.OpenNight(cfg.Out)
	if err != nil || len(before.Records) != 1 {
		t.Fatalf("%+v, %v, want one record", before, err)
	}
	all(t, cfg, env(2, "r1"))
	n, err := pipelines.OpenNight(cfg.Out)
	if err != nil || len(n.Records) != 2 {
		t.Fatalf("%+v, %v, want two records", n, err)
	}
	if n.Records[0].TookS != before.Records[0].TookS || n.Last().Bundle != before.Last().Bundle || n.Bytes == 0 || n.Validation == nil {
		t.Errorf("records are %+v, were %+v", n.Records, before.Records)
	}
	for i, s := range n.Last().Stages {
		if s.Name == "ingest" {
			continue // which looks at the files every time
		}
		if was := n.Records[0].Stages[i]; !s.Cached || was.Cached || s.TookS != was.TookS || s.Name != was.Name {
			t.Errorf("stage %+v, was %+v", s, was)
		}
	}
	if err := os.WriteFile(filepath.Join(cfg.Out, "records.jsonl"), []byte("{}\nx\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := pipelines.OpenNight(cfg.Out); err == nil {
		t.Error("a damaged record was read")
	}
}

// TestPrune: the newest stay, and so does what is at work or came to no verdict.
func TestPrune(t *testing.T) {
	cfg := after(t)
	dir := t.TempDir()
	for i, name := range []string{"a", "b", "c", "d"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(cfg.Out)); err != nil {
			t.Fatal(err)
		}
		line := `{"at":"` + time.Date(2026, 3, 9-i, 0, 0, 0, 0, time.UTC).Format(time.RFC3339) + `"}` + "\n"
		if err := os.WriteFile(filepath.Join(dir, name, "records.jsonl"), []byte(line), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"unfinished", ".pruned-old"} {
		if err := stage.Folder(filepath.Join(dir, name)).Claim(); err != nil {
			t.Fatal(err)
		}
	}
	unlock, err := stage.Folder(filepath.Join(dir, "c")).Lock("tune")
	if err != nil {
		t.Fatal(err)
	}
	gone, err := pipelines.Prune(dir, 1)
	if err != nil || len(gone) != 2 || gone[0].Name != "d" || gone[1].Name != "b" {
		t.Errorf("removed %d, %v, want d and b", len(gone), err)
	}
	unlock()
	if gone, err := pipelines.Prune(dir, 1); err != nil || len(gone) != 1 || gone[0].Name != "c" {
		t.Errorf("then removed %d, %v, want c", len(gone), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || entries[0].Name() != "a" || entries[1].Name() != "unfinished" {
		t.Errorf("there are %v, %v", entries, err)
	}
	if n, err := pipelines.Nights(filepath.Join(dir, "none")); err != nil || n != nil {
		t.Errorf("nights of no folder: %v, %v", n, err)
	}
	if _, err := pipelines.OpenNight(filepath.Join(dir, "unfinished")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v, want that there is none", err)
	}
}
