package workloads

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/cost"
)

// A Profile is what was measured of one function.
type Profile struct {
	Set    string `json:"set"`  // paper, functionbench, serverlessbench or sebs
	Name   string `json:"name"` // unique within the set
	Source string `json:"source"`

	// CPUBound says that with a share s < 1 of a core the function takes 1/s times as
	// long; the others wait for a disk or a network.
	CPUBound bool `json:"cpu_bound"`

	Execution      datasets.Distribution `json:"execution"` // with a core of its own
	Initialisation datasets.Distribution `json:"initialisation"`
	Termination    datasets.Distribution `json:"termination"`

	// AssumedTermination says that termination was not measured and is
	// [datasets.TerminationPerInit] of initialisation.
	AssumedTermination bool `json:"assumed_termination"`
}

//go:embed profiles.csv
var table string

// primeNumber is the one function whose execution was measured at the paper's limits of CPU.
const primeNumber = "prime-number"

// primeAt are the times of Prime Number by CPU in Fig. 8(c) of the paper, as its text
// gives them: it lists eight limits and six times, of which the first four belong to 0.25,
// 0.5, 0.75 and 1 core.
var primeAt = map[float64]time.Duration{0.5: 7995 * time.Millisecond, 0.75: 4811 * time.Millisecond, 1: 3505 * time.Millisecond}

// Profiles are all profiles, set by set.
func Profiles() []Profile {
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil {
		panic(err) // the table is part of the program
	}
	var out []Profile
	for _, r := range rows[1:] {
		p := Profile{
			Set: r[0], Name: r[1], Source: r[2], CPUBound: r[3] == "cpu",
			Execution: quantiles(r[4]), Initialisation: quantiles(r[5]), Termination: quantiles(r[6]),
		}
		if r[6] == "" {
			p.Termination, p.AssumedTermination = cost.AssumedTermination(p.Initialisation), true
		}
		out = append(out, p)
	}
	return out
}

// quantiles parses those of a time in milliseconds: all seven, or one that stands for all.
func quantiles(cell string) datasets.Distribution {
	d := datasets.Distribution{Prob: cost.Probabilities()}
	fields := strings.Fields(cell)
	for i := range d.Prob {
		if len(fields) == 0 {
			return datasets.Distribution{}
		}
		ms, err := strconv.ParseFloat(fields[min(i, len(fields)-1)], 64)
		if err != nil {
			panic(err) // the table is part of the program
		}
		d.Value = append(d.Value, time.Duration(ms*1000+0.5)*time.Microsecond)
	}
	return d
}

// Names are the sets of profiles and the single profiles, as [Options.Profiles] takes them.
func Names() []string {
	var sets, names []string
	for _, p := range Profiles() {
		if !slices.Contains(sets, p.Set) {
			sets = append(sets, p.Set)
		}
		names = append(names, p.Set+"/"+p.Name)
	}
	return append(sets, names...)
}

// chosen are the profiles with these names, in the order of the table.
func chosen(names []string) ([]Profile, error) {
	known := Names()
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, fmt.Errorf("workloads: profiles: %q: must be of %s", n, strings.Join(known, ", "))
		}
	}
	var out []Profile
	for _, p := range Profiles() {
		if slices.Contains(names, p.Set) || slices.Contains(names, p.Set+"/"+p.Name) {
			out = append(out, p)
		}
	}
	return out, nil
}

// at is the execution with a share of a core.
func (p *Profile) at(cpu float64) datasets.Distribution {
	if d, ok := primeAt[cpu]; ok && p.Name == primeNumber {
		return scaled(p.Execution, float64(d)/float64(primeAt[1]))
	}
	if p.CPUBound {
		return scaled(p.Execution, 1/cpu)
	}
	return p.Execution
}

func scaled(d datasets.Distribution, factor float64) datasets.Distribution {
	out := datasets.Distribution{Prob: d.Prob, Value: slices.Clone(d.Value)}
	for i, v := range out.Value {
		out.Value[i] = time.Duration(float64(v) * factor).Round(time.Microsecond)
	}
	return out
}
