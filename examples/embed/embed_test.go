package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/export"
	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/internal/modeltest"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/decide"
	"github.com/incendio-faas/incendio/scheduler/runner"
)

// TestReadme: the README has the program as it is, and it is short.
func TestReadme(t *testing.T) {
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(program), "package main\n\n")
	if !strings.Contains(string(readme), "```go\n"+code+"```\n") {
		t.Error("README.md does not have main.go from its imports on")
	}
	if n := strings.Count(code, "\n"); n > 60 {
		t.Errorf("the program has %d lines, at most 60 were promised", n)
	}
}

// workers is a platform that outlives the control plane. It carries out no order twice, and tells
// what happened until it is heard.
type workers struct {
	t      *testing.T
	events string // where to tell

	mu       sync.Mutex
	seen     map[uint64]bool
	busy     map[uint64]uint64 // the request of a container
	ready    map[uint64]bool   // containers
	runs     map[uint64]int    // of a request
	done     map[uint64]int
	dropped  map[uint64]int
	again    int // orders that came once more
	telling  sync.WaitGroup
	finished context.Context
}

func (w *workers) ServeHTTP(_ http.ResponseWriter, req *http.Request) {
	var o runner.Order
	if err := json.NewDecoder(req.Body).Decode(&o); err != nil {
		w.t.Error(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[o.Seq] {
		w.again++
		return
	}
	w.seen[o.Seq] = true
	switch o.Kind {
	case decide.Create:
		w.later(50*time.Millisecond, func() { w.ready[o.Container] = true }, scheduler.Event{Kind: decide.Ready, Container: o.Container, Took: 50 * time.Millisecond})
	case decide.Run:
		if !w.ready[o.Container] || w.busy[o.Container] != 0 {
			w.t.Errorf("request %d is sent into container %d, which executes %d", o.Request, o.Container, w.busy[o.Container])
		}
		w.busy[o.Container] = o.Request
		w.runs[o.Request]++
		w.later(30*time.Millisecond, func() { delete(w.busy, o.Container); w.done[o.Request]++ },
			scheduler.Event{Kind: decide.Completion, Container: o.Container, Request: o.Request, Took: 30 * time.Millisecond})
	case decide.End:
		if w.busy[o.Container] != 0 {
			w.t.Errorf("container %d is ended and executes request %d", o.Container, w.busy[o.Container])
		}
		delete(w.ready, o.Container)
		w.later(10*time.Millisecond, func() {}, scheduler.Event{Kind: decide.Ended, Container: o.Container, Took: 10 * time.Millisecond})
	case decide.Drop, decide.Report:
		w.dropped[o.Request]++
	}
}

func (w *workers) later(d time.Duration, change func(), ev scheduler.Event) {
	w.telling.Go(func() {
		time.Sleep(d)
		w.mu.Lock()
		change()
		w.mu.Unlock()
		w.tell(ev)
	})
}

// tell tells of ev until it is taken in, or known.
func (w *workers) tell(ev scheduler.Event) {
	body, err := json.Marshal(ev)
	if err != nil {
		w.t.Error(err)
		return
	}
	for w.finished.Err() == nil {
		resp, err := http.Post(w.events, "application/json", bytes.NewReader(body))
		if err == nil {
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			switch resp.StatusCode {
			case http.StatusOK, http.StatusConflict:
				return
			case http.StatusServiceUnavailable:
			default:
				w.t.Errorf("%+v: %s: %s", ev, resp.Status, text)
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.t.Errorf("%+v was not taken in", ev)
}

// put makes a bundle, adds it to the registry and makes it the champion.
func put(t *testing.T, r *bundle.Registry, version string) string {
	t.Helper()
	c := &export.Candidate{
		Models: modeltest.Models(t), Metrics: map[string]float64{}, Start: modeltest.Start, Minute: 1440, Seed: 3,
		Manifest: bundle.Manifest{
			BundleVersion: version, ProgramVersion: "test", Window: bundle.Window{Start: "2026-03-02T00:00:00Z", To: 1440},
			Traces: []bundle.Trace{{Name: "tiny", Digest: bundle.Digest(nil)}}, Config: json.RawMessage(`{}`),
		},
		Card: export.Card{Title: "Bundle " + version, Trace: "Tiny.", Window: "A day.", Results: []string{"None."}, Limits: []string{"A toy."}},
	}
	b, err := c.Write(filepath.Join(t.TempDir(), version))
	if err != nil {
		t.Fatal(err)
	}
	at := modeltest.Start
	if err := r.Add(b, "for the test", at); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Promote(b.Digest(), bundle.Decision{Reason: "for the test", At: at}); err != nil {
		t.Fatal(err)
	}
	return b.Digest()
}

// plane is a running program.
type plane struct {
	cmd *exec.Cmd
	log lines
}

// lines is what a program has written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wait returns once the program has written text.
func (p *plane) wait(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !strings.Contains(p.log.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the program has not written %q:\n%s", text, &p.log)
		}
	}
}

// TestKillAndPromote: a program that is killed at any moment, and one that gets another bundle
// while it runs, neither loses a request nor runs one twice.
func TestKillAndPromote(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "embed")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	registry := bundle.NewRegistry(filepath.Join(dir, "registry"))
	first := put(t, registry, "1")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	finished, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	w := &workers{
		t: t, events: "http://" + address + "/events", seen: map[uint64]bool{}, busy: map[uint64]uint64{}, ready: map[uint64]bool{},
		runs: map[uint64]int{}, done: map[uint64]int{}, dropped: map[uint64]int{}, finished: finished,
	}
	server := httptest.NewServer(w)
	defer server.Close()
	start := func() *plane {
		p := &plane{cmd: exec.Command(program, address, server.URL, filepath.Join(dir, "registry"), filepath.Join(dir, "state"))}
		p.cmd.Stdin = strings.NewReader(`{
			"functions": [{"id": 1, "owner": "o", "app": "a", "name": "trees"}, {"id": 2, "owner": "o", "app": "a", "name": "timer"},
				{"id": 3, "owner": "new", "app": "a", "name": "new", "memory": 134217728}],
			"invokers": [{"id": 1, "memory": 1073741824, "cores": 8}, {"id": 2, "memory": 1073741824, "cores": 8}]}`)
		p.cmd.Stderr = &p.log
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return p
	}
	kill := func(p *plane) {
		t.Helper()
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.cmd.Wait() // its error is the signal
	}
	p := start()
	var requests sync.WaitGroup
	const n = 400
	requests.Go(func() {
		for id := range uint64(n) {
			requests.Go(func() {
				w.tell(scheduler.Event{Kind: decide.Arrival, Request: 1 + id, Function: 1 + id%3})
			})
			time.Sleep(20 * time.Millisecond)
		}
	})
	for range 3 {
		time.Sleep(900 * time.Millisecond)
		kill(p)
		p = start()
		p.wait(t, "state restored")
		p.wait(t, "bundle="+first)
	}
	second := put(t, registry, "2")
	p.wait(t, "bundle swapped in")
	p.wait(t, second)
	time.Sleep(500 * time.Millisecond)
	kill(p) // with the swap in its journal
	p = start()
	p.wait(t, "bundle="+second)
	requests.Wait()
	w.telling.Wait()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		w.mu.Lock()
		over := len(w.done)+len(w.dropped) == n
		w.mu.Unlock()
		if over || time.Now().After(end) {
			break
		}
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the program ended with %v:\n%s", err, &p.log)
	}
	w.telling.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := uint64(1); id <= n; id++ {
		if w.runs[id] != 1 || w.done[id] != 1 || w.dropped[id] != 0 {
			t.Errorf("request %d: run %d times, done %d times, dropped %d times", id, w.runs[id], w.done[id], w.dropped[id])
		}
	}
	t.Log(fmt.Sprintf("%d requests, %d orders, %d of them sent again", n, len(w.seen), w.again))
}
