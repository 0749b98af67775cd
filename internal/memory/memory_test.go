package memory

import (
	"errors"
	"math"
	"runtime/debug"
	"strings"
	"testing"
)

func TestMachine(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing is known": {nil, math.MaxInt64},
		"the machine":      {map[string]string{"/proc/meminfo": "MemFree: 1 kB\nMemTotal:       2048 kB\n", "/proc/self/cgroup": "0::/a\n", "/sys/fs/cgroup/a/memory.max": "max\n"}, 2 << 20},
		"its group":        {map[string]string{"/proc/meminfo": "MemTotal: 2048 kB\n", "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "1000\n"}, 1000},
		"a group above":    {map[string]string{"/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/memory.max": "500\n", "/sys/fs/cgroup/a/b/memory.max": "1000\n"}, 500},
		"version 1":        {map[string]string{"/proc/self/cgroup": "3:cpu:/x\n4:memory:/x\n", "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "700\n"}, 700},
		"without a limit":  {map[string]string{"/proc/self/cgroup": "4:memory:/\n", "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 9223372036854771712},
	} {
		if got := machine(func(f string) string { return tt.files[f] }); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
	if Machine() < 1<<20 {
		t.Error("this machine has less than a MiB")
	}
}

func TestCheck(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(3 << 30))
	if err := Check(3<<30, "all"); err != nil {
		t.Error(err)
	}
	err := Check(24e9, "function \"f\" with 1e9 calls")
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), `function "f" with 1e9 calls would need about 22.35 GiB of memory, and the limit is 3 GiB`) {
		t.Errorf("error %v", err)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"4GiB": 4 << 30, "500MB": 500e6, "1e9": 1e9, "1.5 GB": 15e8, "2097152B": 2 << 20} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1GB", "1KiB", "NaN", "inf", "1e30", "4gb"} {
		if _, err := ParseSize(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
