// Package chains fuses and bundles functions that invoke one another, as WISEFUSE does
// (Mahgoub et al., "WISEFUSE: Workload Characterization and DAG Transformation for
// Serverless Workflows", SIGMETRICS 2022), as a transformation of a trace.
//
// A [Chain] says which functions follow which: stages in series, each a number of
// parallel invocations of one function. No public trace that this project reads says
// so, and that two functions are often invoked together does not show that one invokes
// the other, so chains come from a file ([Read]). A [Plan] fuses adjacent stages into one
// function, and bundles the parallel invocations of a stage into one container.
// [Apply] makes the trace of it, and [Chain.Latency] the distribution of the time from the
// first stage's start to the last one's end.
//
// # The model
//
// Stages are independent. Times in series add up (convolution), of parallel ones the
// longest counts (maximum). Between two functions there is the time of a transfer and an
// invocation, inside of a fused one there is none. A container starts cold with a
// probability that is given; a bundle has one cold start where its invocations would have as many
// as they are. A fused function has the memory and the CPU of its largest stage, a
// bundle that of all its invocations together, and either the start cost of the slowest stage.
//
// Not modelled: that invocations in one container get better at sharing their data and less
// unequal, and the choice of a size of machine, WISEFUSE's third part. What either saves
// is to be added to what is found here.
package chains

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/internal/strictjson"
)

// A Chain is functions of which each invokes the next.
type Chain struct {
	Name     string
	Stages   []Stage
	Transfer time.Duration // of data and the invocation, between two stages
}

// A Stage is a number of parallel invocations of one function for a request of the chain.
type Stage struct {
	Function datasets.FunctionID
	Width    int // >= 1; 1 in the first stage, which is what a request invokes
}

// A Plan says what is done with chains.
type Plan struct {
	Fuse   bool // adjacent stages of one invocation become one function
	Bundle bool // the invocations of a stage run in one container
}

// Read reads chains of the functions of t from JSON:
//
//	{"chains": [{"name": "thumbnails", "transfer_ms": 20, "stages": [
//	  {"function": "owner/app/split", "width": 1}, {"function": "owner/app/scale", "width": 8}]}]}
//
// Parts of a function's name are escaped as in a URL's path. A function can be in one
// stage only: else its invocations could not be told apart.
func Read(r io.Reader, t *datasets.Trace) ([]Chain, error) {
	var file struct {
		Chains []struct {
			Name     string  `json:"name"`
			Transfer float64 `json:"transfer_ms"`
			Stages   []struct {
				Function string `json:"function"`
				Width    int    `json:"width"`
			} `json:"stages"`
		} `json:"chains"`
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if err := strictjson.Decode(data, &file); err != nil {
		return nil, fmt.Errorf("chains: %w", err)
	}
	known := make(map[string]datasets.FunctionID, len(t.Functions))
	for i := range t.Functions {
		known[key(&t.Functions[i])] = datasets.FunctionID(i)
	}
	const day = 24 * 60 * 60 * 1000 // ms
	var out []Chain
	names, used := map[string]bool{}, map[datasets.FunctionID]string{}
	for i, c := range file.Chains {
		where := fmt.Sprintf("chains[%d] %q", i, c.Name)
		switch {
		case c.Name == "" || names[c.Name]:
			return nil, fmt.Errorf("%s: must have a name of its own", where)
		case !(c.Transfer >= 0 && c.Transfer <= day):
			return nil, fmt.Errorf("%s: transfer_ms must be in [0, %d], got %g", where, day, c.Transfer)
		case len(c.Stages) < 2:
			return nil, fmt.Errorf("%s: must have two stages or more, got %d", where, len(c.Stages))
		}
		names[c.Name] = true
		chain := Chain{Name: c.Name, Transfer: time.Duration(math.Round(c.Transfer*1000)) * time.Microsecond}
		for k, s := range c.Stages {
			f, ok := known[s.Function]
			switch {
			case !ok:
				return nil, fmt.Errorf("%s: stages[%d]: trace %q has no function %q (owner/app/name)", where, k, t.Name, s.Function)
			case used[f] != "":
				return nil, fmt.Errorf("%s: stages[%d]: function %q is in chain %q already", where, k, s.Function, used[f])
			case s.Width < 1 || s.Width > 10000:
				return nil, fmt.Errorf("%s: stages[%d]: width must be in [1, 10000], got %d", where, k, s.Width)
			case k == 0 && s.Width != 1:
				return nil, fmt.Errorf("%s: stages[0]: width must be 1, as a request of the chain is one invocation of it, got %d", where, s.Width)
			}
			used[f] = c.Name
			chain.Stages = append(chain.Stages, Stage{f, s.Width})
		}
		out = append(out, chain)
	}
	if len(out) == 0 {
		return nil, errors.New("chains: the file has no chain")
	}
	return out, nil
}

func key(f *datasets.Function) string {
	return strings.Join([]string{url.PathEscape(f.Owner), url.PathEscape(f.App), url.PathEscape(f.Name)}, "/")
}

// A unit is stages that a plan makes one function of, or one stage that it leaves alone.
type unit struct {
	stages []Stage
	width  int  // invocations of it for a request
	new    bool // it is a function that the trace does not have
}

// units are what a plan makes of the chain.
func (c *Chain) units(p Plan) []unit {
	var out []unit
	for _, s := range c.Stages {
		u := unit{stages: []Stage{s}, width: s.Width}
		if p.Bundle && s.Width > 1 {
			u.width, u.new = 1, true
		}
		if n := len(out); p.Fuse && n > 0 && u.width == 1 && out[n-1].width == 1 {
			out[n-1].stages = append(out[n-1].stages, s)
			out[n-1].new = true
			continue
		}
		out = append(out, u)
	}
	return out
}

// bundled is how many invocations of a stage of u run in one container.
func (u *unit) bundled(s Stage) int {
	if u.width == 1 {
		return s.Width
	}
	return 1
}
