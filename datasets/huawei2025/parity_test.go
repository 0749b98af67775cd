//go:build parity

package huawei2025_test

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/huawei2025"
)

// Every function of the published table of triggers is read, with the first trigger that is
// not unknown and with the limits that its pool names.
func TestPublishedTriggers(t *testing.T) {
	shared := os.Getenv("SHARED_DATA")
	if shared == "" {
		t.Fatal("SHARED_DATA must name the folder that holds data, the public traces")
	}
	published := filepath.Join(shared, "data", "huawei2025", "functions-meta", "meta_funcID_runtime_triggerType.csv")
	table, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]datasets.Trigger{
		"APIG": "http", "TIMER": "timer", "OBS": "storage", "workflow": "orchestration", "KAFKA": "queue",
		"DIS": "event", "SMN": "event", "LTS": "event", "CTS": "event",
	}
	type expected struct {
		trigger  datasets.Trigger
		cores    float64
		megabyte int64
	}
	want := map[string]expected{}
	header, row := "day,time", "0,0"
	lines := bufio.NewScanner(strings.NewReader(string(table)))
	for lines.Scan() {
		cells := strings.Split(lines.Text(), ",")
		if cells[0] == "funcID" {
			continue
		}
		e := expected{trigger: "others"}
		for _, word := range strings.Fields(cells[3]) {
			if trigger, ok := words[strings.Split(word, "-")[0]]; ok {
				e.trigger = trigger
				break
			}
		}
		var millicores int64
		pool := cells[0][strings.LastIndex(cells[0], "---")+3:]
		if _, err := fmt.Sscanf(pool[strings.IndexByte(pool, '-')+1:], "%d-%d", &millicores, &e.megabyte); err != nil {
			t.Fatalf("%s: %v", cells[0], err)
		}
		e.cores = float64(millicores) / 1000
		want[cells[0]] = e
		header, row = header+","+cells[0], row+",1"
	}
	functions, c := read(t, open(t, write(t, map[string]string{
		"requests/day_00.csv": header + "\n" + row + "\n", "triggers.csv": string(table),
	}), huawei2025.DefaultOptions()))
	got := map[string]expected{}
	for name, f := range functions {
		got[name] = expected{f.Trigger, f.CPU, f.Memory >> 20}
	}
	if len(c.rejected) > 0 || len(want) < 2000 || !maps.Equal(got, want) {
		t.Errorf("%d functions, expected %d; rejected %q", len(got), len(want), c.rejected)
	}
}
