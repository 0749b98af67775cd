package bundle_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/incendio-faas/incendio/export/bundle"
)

// A call is what one process asked of the registry, and the answer.
type call struct {
	Start, End int64 // nanoseconds of the machine's clock
	Kind       string
	Digest     string // promoted
	Expect     string
	Got        string // the champion after it, or that was read; "none", or "expect" if the expectation did not hold
}

// TestLinearizable lets eight processes promote, roll back, collect, list and read at the
// same time. What they saw must be what some order of their calls explains in which each
// takes effect between its beginning and its end.
func TestLinearizable(t *testing.T) {
	const processes = 8
	dir := filepath.Join(fastDir(t), "registry")
	r := bundle.NewRegistry(dir)
	for _, v := range []string{"a", "b", "c"} {
		must(t, r.Add(newBundle(t, v), "", night))
	}
	exe, err := os.Executable()
	must(t, err)
	cmds := make([]*exec.Cmd, processes)
	outs := make([]*strings.Builder, processes)
	for i := range cmds {
		cmds[i] = exec.CommandContext(t.Context(), exe, "-test.run=^TestWriterProcess$")
		cmds[i].Env = append(os.Environ(), "BUNDLE_TEST_REGISTRY="+dir, fmt.Sprint("BUNDLE_TEST_PROCESS=", i))
		outs[i] = &strings.Builder{}
		cmds[i].Stdout, cmds[i].Stderr = outs[i], outs[i]
		must(t, cmds[i].Start())
	}
	var history []porcupine.Operation
	writes := 0
	for i := range cmds {
		if err := cmds[i].Wait(); err != nil {
			t.Fatalf("process %d: %v\n%s", i, err, outs[i])
		}
		for line := range strings.Lines(outs[i].String()) {
			var c call
			if json.Unmarshal([]byte(line), &c) != nil {
				continue // the test's own last line
			}
			if c.Kind != "read" {
				writes++
			}
			history = append(history, porcupine.Operation{ClientId: i, Input: c, Output: c.Got, Call: c.Start, Return: c.End})
		}
	}
	t.Logf("%d calls of %d processes, %d of them writes", len(history), processes, writes)
	if writes < 20 || len(history) < 100 {
		t.Fatalf("%d calls, %d of them writes: too few to show anything", len(history), writes)
	}
	// The state is the reign: digests joined by spaces, the champion last.
	model := porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			reign := strings.Fields(state.(string))
			c, got := input.(call), output.(string)
			now, before := "none", ""
			if n := len(reign); n > 0 {
				now = reign[n-1]
			}
			if n := len(reign); n > 1 {
				before = reign[n-2]
			}
			if c.Expect != "" && c.Expect != now {
				return got == "expect", state
			}
			switch c.Kind {
			case "promote":
				if now != c.Digest {
					reign = append(reign, c.Digest)
				}
				return got == c.Digest, strings.Join(reign, " ")
			case "rollback":
				if before == "" {
					return got == "none", state
				}
				return got == before, strings.Join(reign[:len(reign)-1], " ")
			}
			return got == now, state
		},
	}
	if res := porcupine.CheckOperationsTimeout(model, history, 2*time.Minute); res != porcupine.Ok {
		t.Errorf("%s: no order explains what %d calls of %d processes saw", res, len(history), processes)
	}
	readable(t, "at the end", dir)
}

// TestWriterProcess is one of those processes, where it is told of a registry.
func TestWriterProcess(t *testing.T) {
	dir := os.Getenv("BUNDLE_TEST_REGISTRY")
	if dir == "" {
		return // an ordinary run: TestLinearizable starts the processes
	}
	r := bundle.NewRegistry(dir)
	var number uint64
	_, err := fmt.Sscan(os.Getenv("BUNDLE_TEST_PROCESS"), &number)
	must(t, err)
	random := rand.New(rand.NewPCG(7, number))
	var digests []string
	for _, v := range []string{"a", "b", "c"} {
		digests = append(digests, newBundle(t, v).Digest())
	}
	champion := func() string {
		d, err := r.Champion()
		if errors.Is(err, bundle.ErrNotFound) {
			return "none"
		}
		must(t, err)
		return d
	}
	// The more wait for the others on a busy machine, the longer it goes on.
	for tries, writes := 0, 0; tries < 40 || writes < 4 && tries < 4000; tries++ {
		c := call{Kind: []string{"read", "read", "promote", "rollback", "other"}[random.IntN(5)]}
		decision := bundle.Decision{At: night}
		c.Start = time.Now().UnixNano()
		switch c.Kind {
		case "read":
			c.Got = champion()
		case "other": // what others do must not disturb
			if _, err = r.List(); err == nil {
				_, err = r.Collect(bundle.Retention{Last: 9}, random.IntN(2) == 0, night)
			}
			if err != nil && !errors.Is(err, bundle.ErrLocked) {
				t.Fatal(err)
			}
			continue
		default:
			if random.IntN(3) == 0 {
				// Not the decision that may have led to now, whose second try is no error.
				c.Expect = digests[random.IntN(3)]
				decision.Expect = c.Expect
			}
			var o bundle.Outcome
			if c.Kind == "promote" {
				c.Digest = digests[random.IntN(3)]
				o, err = r.Promote(c.Digest, decision)
			} else {
				o, err = r.Rollback(decision)
			}
			switch {
			case err == nil && c.Expect != "" && !o.Changed && o.Before != o.Digest:
				c.Got = "expect" // it was made already: to the model as if it had not been tried
			case err == nil:
				c.Got = o.Digest
			case errors.Is(err, bundle.ErrExpect):
				c.Got = "expect"
			case errors.Is(err, bundle.ErrNotFound):
				c.Got = "none"
			case errors.Is(err, bundle.ErrLocked):
				continue // nothing happened
			default:
				t.Fatal(err)
			}
		}
		if c.Kind != "read" {
			writes++
		}
		c.End = time.Now().UnixNano()
		line, err := json.Marshal(c)
		must(t, err)
		fmt.Println(string(line))
	}
}
