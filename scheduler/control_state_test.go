package scheduler_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
)

// stated are the names of sited whose state can be saved.
var stated = []string{
	"native", "faascache", "histogram", "lass", "incendio", "incendio-wo-s", "incendio-wo-p",
	"incendio, by the index", "incendio-wo-s, by the index", "incendio-wo-p, by the index",
}

// TestStateChangesNothing: the same events give the same decisions, whether or not the state was saved and
// restored, or swapped to the same models, in between; and what is restored is what was saved.
func TestStateChangesNothing(t *testing.T) {
	all := sited(t)
	for _, name := range stated {
		t.Run(name, func(t *testing.T) {
			m := all[name]
			seeds := uint64(12)
			if testing.Short() {
				seeds = 3
			}
			for seed := range seeds {
				plain, err := siteOf(policyOf(name), m, seed)
				if err == nil {
					err = plain.live(400, nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				w, err := siteOf(policyOf(name), m, seed)
				if err != nil {
					t.Fatal(err)
				}
				other, count := rand.New(rand.NewPCG(seed, 3)), 0
				err = w.live(400, func(int) error {
					if other.IntN(15) > 0 {
						return nil
					}
					if count++; m != nil && other.IntN(3) == 0 {
						orders, err := w.c.Swap(m)
						if err == nil && len(orders) != 1 {
							err = fmt.Errorf("a swap to the same models gives %v", orders)
						}
						return err
					}
					var first, second bytes.Buffer
					if err := w.c.Save(&first); err != nil {
						return err
					}
					saved := bytes.Clone(first.Bytes())
					c, err := scheduler.RestoreControl(&first, m)
					if err != nil {
						return err
					}
					if err := c.Save(&second); err != nil {
						return err
					}
					if !bytes.Equal(saved, second.Bytes()) {
						return errors.New("what is restored is not what was saved")
					}
					w.c = c
					return nil
				})
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if w.digest != plain.digest || count == 0 {
					t.Fatalf("seed %d: after %d changes that change nothing other orders were given", seed, count)
				}
			}
		})
	}
}

// TestStateRefuses: what is no state, and policies that have none.
func TestStateRefuses(t *testing.T) {
	for _, row := range scheduler.Baselines() {
		if row.Clairvoyant {
			continue
		}
		err := door(t, row.Name, nil).Save(&bytes.Buffer{})
		switch row.Name {
		case "native", "faascache", "histogram", "lass":
			if err != nil {
				t.Errorf("%s: %v", row.Name, err)
			}
		default:
			if !errors.Is(err, scheduler.ErrNoState) || !strings.Contains(err.Error(), row.Name) {
				t.Errorf("%s: %v", row.Name, err)
			}
		}
	}
	m := modeltest.Models(t)
	var b bytes.Buffer
	if err := learned(t, "", m, 3).Save(&b); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	refuse := func(what string, data []byte, m *scheduler.Models, want string) {
		t.Helper()
		if _, err := scheduler.RestoreControl(bytes.NewReader(data), m); !errors.Is(err, scheduler.ErrState) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	other := modeltest.Models(t)
	other.Settings.Pool.MemoryPrice = 2
	refuse("other models", whole, other, "models must be those of")
	refuse("no models", whole, nil, "models must be those of")
	refuse("nothing", nil, m, "must begin with")
	refuse("a half", whole[:len(whole)/2], m, "bytes, expected")
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		data := bytes.Clone(whole)
		data[rnd.IntN(len(data))] ^= 1 << rnd.IntN(8)
		refuse("a bit", data, m, "")
	}
	next := bytes.Clone(whole)
	next[len("incendio scheduler state\n")]++
	refuse("another version", next, m, "version must be")
	if _, err := scheduler.RestoreControl(bytes.NewReader(whole), modeltest.Models(t)); err != nil {
		t.Errorf("equal models: %v", err)
	}
}

// FuzzRestore: bytes with a true checksum are read or refused, without a panic and in bounded memory.
func FuzzRestore(f *testing.F) {
	for _, policy := range []string{"native", "faascache", "histogram", "lass"} {
		w, err := siteOf(policy, nil, 1)
		if err == nil {
			err = w.live(60, nil)
		}
		var b bytes.Buffer
		if err == nil {
			err = w.c.Save(&b)
		}
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes()[:b.Len()-sha256.Size])
	}
	header := len("incendio scheduler state\n") + 16
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < header {
			return
		}
		data = bytes.Clone(data)
		binary.LittleEndian.PutUint64(data[header-8:], uint64(len(data)-header))
		sum := sha256.Sum256(data)
		if _, err := scheduler.RestoreControl(bytes.NewReader(append(data, sum[:]...)), nil); err != nil && !errors.Is(err, scheduler.ErrState) {
			t.Error(err)
		}
	})
}

// BenchmarkSavedState saves and restores the state of 10,000 functions, a quarter of them with containers, beside
// what it costs to copy its bytes and hash them.
func BenchmarkSavedState(b *testing.B) {
	for _, policy := range []string{"native", "faascache", "histogram", "lass", "incendio"} {
		m := modeltest.Models(b)
		if policy != "incendio" {
			m = nil
		}
		cfg := scheduler.DefaultConfig()
		cfg.Policy, cfg.Models, cfg.Start = policy, m, noon
		const n = 10000
		for k := range n {
			cfg.Functions = append(cfg.Functions, scheduler.Function{ID: uint64(k + 1), Owner: "o", App: fmt.Sprint("a", k/10), Name: fmt.Sprint("f", k), Memory: 100 << 20, CPU: 1})
		}
		for k := range uint64(100) {
			cfg.Invokers = append(cfg.Invokers, scheduler.Invoker{ID: 1 + k, Memory: 1 << 36, Cores: 64})
		}
		c, err := scheduler.NewControl(cfg)
		if err != nil {
			b.Fatal(err)
		}
		handle := func(ev scheduler.Event) []scheduler.Order {
			orders, err := c.Handle(ev)
			if err != nil {
				b.Fatal(err)
			}
			return orders
		}
		for k := range uint64(n) {
			for _, o := range handle(arrives(float64(k)/50, k+1, k%(n/4)+1)) {
				if o.Kind == decide.Create {
					for _, o := range handle(happens(float64(k)/50, decide.Ready, o.Container)) {
						handle(completes(float64(k)/50, o.Request, o.Container))
					}
				} else if o.Kind == decide.Run {
					handle(completes(float64(k)/50, o.Request, o.Container))
				}
			}
		}
		var state bytes.Buffer
		if err := c.Save(&state); err != nil {
			b.Fatal(err)
		}
		data := state.Bytes()
		b.Run(policy+"/copy", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				out := append(make([]byte, 0, len(data)), data...)
				_ = sha256.Sum256(out)
			}
		})
		b.Run(policy+"/save", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := c.Save(discard{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(policy+"/restore", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := scheduler.RestoreControl(bytes.NewReader(data), m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
