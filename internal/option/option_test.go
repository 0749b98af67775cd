package option_test

import (
	"errors"
	"io"
	"testing"

	"github.com/incendio-faas/incendio/internal/option"
)

func TestCheck(t *testing.T) {
	inner := option.Check{Package: "gbdt"}
	var outer option.Check
	if inner.That(true, "a", "must hold"); inner.Err() != nil {
		t.Fatal(inner.Err())
	}
	inner.Note("b", nil)
	inner.Within("c", nil)
	inner.That(false, "leaves", "must be at least %d, got %d", 2, 1)
	inner.Note("policies", io.EOF)
	if got := inner.Err().Error(); got != "gbdt: leaves must be at least 2, got 1\ngbdt: policies: EOF" {
		t.Errorf("alone the error is %s", got)
	}
	outer.That(false, "first", "must be there")
	outer.Within("trees", inner.Err())
	outer.Within("other", io.ErrUnexpectedEOF)
	err := outer.Err()
	want := "first must be there\ntrees.leaves must be at least 2, got 1\ntrees.policies: EOF\nother: unexpected EOF"
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	if !errors.Is(err, io.EOF) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("what an option's error wraps is lost")
	}
	if parts := option.Errors(errors.Join(err, io.EOF)); len(parts) != 5 {
		t.Errorf("parts %v, want 5", parts)
	}
}
