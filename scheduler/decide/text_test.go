package decide_test

import (
	"encoding/json"
	"testing"

	"github.com/incendio-faas/incendio/scheduler/decide"
)

// TestText: kinds and causes are read as they are written.
func TestText(t *testing.T) {
	type all struct {
		E decide.EventKind
		D decide.DecisionKind
		C decide.Cause
	}
	for k := range uint8(10) {
		want := all{decide.EventKind(k), decide.DecisionKind(k), decide.Cause(k)}
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got all
		if err := json.Unmarshal(data, &got); err != nil || got != want {
			t.Errorf("%s: %+v, %v", data, got, err)
		}
	}
	for _, bad := range []string{`{"E":"event 99"}`, `{"E":"start"}`, `{"D":"stopp"}`, `{"C":"cause 70"}`} {
		if err := json.Unmarshal([]byte(bad), &all{}); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
