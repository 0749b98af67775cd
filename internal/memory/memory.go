// Package memory refuses what would not fit the machine before it begins: a process that
// the system kills has said nothing, and its exit code says that somebody stopped it.
//
// The limit is the Go runtime's own ([debug.SetMemoryLimit], GOMEMLIMIT): the program sets
// it to what the machine or its control group has, and who embeds a package of this
// module decides as for any other.
package memory

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// ErrTooLarge is wrapped by the errors of Check.
var ErrTooLarge = errors.New("more memory than there is")

// Limit is how many bytes the process may use; math.MaxInt64 if nobody set a limit.
func Limit() int64 { return debug.SetMemoryLimit(-1) }

// Check returns an error if what, which needs that many bytes at once, does not fit. The
// error wraps ErrTooLarge and has both figures.
func Check(bytes float64, what string) error {
	if limit := Limit(); bytes > float64(limit) {
		return fmt.Errorf("%s would need about %s of memory, and the limit is %s (of the machine, its control group or --memory-limit): %w",
			what, size(bytes), size(float64(limit)), ErrTooLarge)
	}
	return nil
}

// size writes bytes for people.
func size(bytes float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; bytes >= 1024 && i < len(units)-1; i++ {
		bytes /= 1024
	}
	return strconv.FormatFloat(bytes, 'g', 4, 64) + " " + units[i]
}

// ParseSize reads a number of bytes such as 4GiB, 500MB or 1e9.
func ParseSize(text string) (int64, error) {
	number, factor := strings.TrimSpace(text), 1.0
	for _, u := range []struct {
		suffix string
		factor float64
	}{
		{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
		{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
	} {
		if n, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor = strings.TrimSpace(n), u.factor
			break
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if v *= factor; err != nil || !(v >= 1<<20 && v < 1<<62) {
		return 0, fmt.Errorf("must be a size of at least 1 MiB such as 4GiB or 500MB, got %q", text)
	}
	return int64(v), nil
}

// Machine is how many bytes the process may have by its control groups (version 2 or 1) and
// the machine; math.MaxInt64 if that cannot be told.
func Machine() int64 {
	return machine(func(name string) string {
		data, err := os.ReadFile(name)
		if err != nil {
			return "" // not of this system
		}
		return string(data)
	})
}

func machine(read func(name string) string) int64 {
	limit := int64(math.MaxInt64)
	atMost := func(text string, unit int64) {
		if v, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil && v > 0 && v < limit/unit {
			limit = v * unit
		}
	}
	lines := bufio.NewScanner(strings.NewReader(read("/proc/meminfo")))
	for lines.Scan() {
		if kb, ok := strings.CutPrefix(lines.Text(), "MemTotal:"); ok {
			atMost(strings.TrimSuffix(strings.TrimSpace(kb), "kB"), 1<<10)
		}
	}
	// A line is number:controllers:path; a group is bounded by those above it as well.
	lines = bufio.NewScanner(strings.NewReader(read("/proc/self/cgroup")))
	for lines.Scan() {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root, file := "/sys/fs/cgroup", "memory.max"
		if parts[1] == "memory" {
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if parts[1] != "" {
			continue
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			atMost(read(path.Join(root, group, file)), 1)
			if group == "/" {
				break
			}
		}
	}
	return limit
}
