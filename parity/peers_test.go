//go:build parity

package parity_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// shared returns the path of a file or folder of SHARED_DATA, which must be there.
func shared(t *testing.T, elem ...string) string {
	t.Helper()
	root := os.Getenv("SHARED_DATA")
	if !filepath.IsAbs(root) {
		t.Fatalf("SHARED_DATA is %q: it must be the absolute path of the folder that holds data and golden", root)
	}
	path := filepath.Join(append([]string{root}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("SHARED_DATA lacks a real trace: %v", err)
	}
	return path
}

// peer runs a script of this folder with in on its standard input, and decodes what it
// answers into out.
func peer(t *testing.T, script string, in, out any) {
	t.Helper()
	python := os.Getenv("PARITY_PYTHON")
	if python == "" {
		t.Fatal("PARITY_PYTHON must name a Python with the packages of parity/requirements.txt; make parity makes one")
	}
	question, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var answer, complaint bytes.Buffer
	cmd := exec.CommandContext(t.Context(), python, script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(question), &answer, &complaint
	if err := cmd.Run(); err != nil {
		if missing, err := exec.CommandContext(t.Context(), python, "peers.py").CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", python, script, err, missing)
		}
		t.Fatalf("%s %s: %v\n%s", python, script, err, complaint.Bytes())
	}
	if err := json.Unmarshal(answer.Bytes(), out); err != nil {
		t.Fatalf("%s answers %q: %v", script, answer.Bytes(), err)
	}
}

// program is the program as its sources are now.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "parity-")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "incendio")
	out, err := exec.Command("go", "build", "-o", name, "../cmd/incendio").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return name, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if name, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(name))
	}
	os.Exit(code)
}

// An outcome is what a command of the program did.
type outcome struct {
	code   int
	stdout []byte
	took   time.Duration // on the clock
	cpu    time.Duration // of all cores
}

// incendio runs the program, which must end with one of codes within limit.
func incendio(t *testing.T, limit time.Duration, codes []int, args ...string) outcome {
	t.Helper()
	return incendioIn(t, "", limit, codes, args...)
}

// incendioIn is incendio in the working directory dir.
func incendioIn(t *testing.T, dir string, limit time.Duration, codes []int, args ...string) outcome {
	t.Helper()
	name, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = &stdout, &stderr, dir
	began := time.Now()
	err = cmd.Run()
	o := outcome{cmd.ProcessState.ExitCode(), stdout.Bytes(), time.Since(began), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if ctx.Err() != nil {
		t.Fatalf("incendio %v did not end within %v (%v of processor time)\n%s", args, limit, o.cpu, stderr.Bytes())
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for _, c := range codes {
		if o.code == c {
			return o
		}
	}
	t.Fatalf("incendio %v ends with code %d, expected one of %v\n%s", args, o.code, codes, stderr.Bytes())
	return o
}

// decode reads what a command printed.
func decode[T any](t *testing.T, data []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v in\n%s", err, data)
	}
	return v
}

// An array is an input of a model: raw values in a file.
type array struct {
	File string  `json:"file"`
	Dims []int64 `json:"dims"`
}

// store writes values of []float32 or []float64 as the file name.
func store(t *testing.T, name string, values any, dims ...int64) array {
	t.Helper()
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, values); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return array{name, dims}
}

// load reads the n values that a peer wrote.
func load[T float32 | float64](t *testing.T, name string, n int) []T {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if size := binary.Size(make([]T, n)); len(data) != size {
		t.Fatalf("%s: a peer wrote %d bytes, expected %d", name, len(data), size)
	}
	out := make([]T, n)
	if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, out); err != nil {
		t.Fatal(err)
	}
	return out
}
