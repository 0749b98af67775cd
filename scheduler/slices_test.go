package scheduler_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/policy"
)

// TestSlices: a bundle is opened with the slices that it has, refused if they are not
// those of the golden cases, and opened where it was made before there were any.
func TestSlices(t *testing.T) {
	m := modeltest.Models(t)
	g := golden(t, m)
	got, _, err := scheduler.Open(write(t, m, g))
	if err != nil {
		t.Fatal(err)
	}
	s, err := got.TrainedALPS()
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "alps-trained" || s.Sharing.Name != policy.SharingALPS || len(s.Sharing.Slices.Classes) != 2 {
		t.Errorf("the stack is %+v", s)
	}

	m.Slices.Classes[1].Slice-- // of the last rank: still a valid policy
	if _, _, err := scheduler.Open(write(t, m, g)); !errors.Is(err, bundle.ErrIntegrity) || !strings.Contains(err.Error(), "o/a/trees has rank 2 and slices") {
		t.Errorf("error is %v, want one of integrity with the function", err)
	}
	m.Slices = nil
	if _, _, err := scheduler.Open(write(t, m, g)); !errors.Is(err, bundle.ErrIntegrity) || !strings.Contains(err.Error(), "golden cases of alps.json") {
		t.Errorf("error is %v, want one of integrity with the file", err)
	}
	old, _, err := scheduler.Open(write(t, m, golden(t, m)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.TrainedALPS(); err == nil || !strings.Contains(err.Error(), "the bundle has no alps.json") {
		t.Errorf("error is %v, want one that names the file", err)
	}
}
