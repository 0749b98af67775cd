package sim

import (
	"github.com/incendio-faas/incendio/datasets"
)

// Tables are what lies behind a [Row], by function, by application and by minute.
type Tables struct {
	Functions []FunctionRow `json:"functions"` // those with requests, in order of their numbers
	Apps      []AppRow      `json:"apps"`      // in order of their first functions
	Minutes   []MinuteRow   `json:"minutes"`   // of the window
}

// A FunctionRow has the figures of a function.
type FunctionRow struct {
	Owner string `json:"owner"`
	App   string `json:"app"`
	Name  string `json:"name"` // "" where containers are of applications
	FunctionResult
}

// An AppRow has the figures of an application.
type AppRow struct {
	Owner     string `json:"owner"`
	App       string `json:"app"`
	Functions int    `json:"functions"` // with requests
	FunctionResult
}

// A MinuteRow has the figures of a minute of the window.
type MinuteRow struct {
	Minute     int     `json:"minute"`      // of the trace
	LiveGB     float64 `json:"live_gb"`     // of containers, mean
	WastedGB   float64 `json:"wasted_gb"`   // of containers that execute nothing, mean
	Waiting    float64 `json:"waiting"`     // requests without a container, mean
	ColdStarts int64   `json:"cold_starts"` // of the requests that arrived in it
}

func (f *FunctionResult) add(o *FunctionResult) {
	f.Warm += o.Warm
	f.Cold += o.Cold
	f.DelayedWarm += o.DelayedWarm
	f.Dropped += o.Dropped
	f.Latency += o.Latency
	f.Wait += o.Wait
	f.Work += o.Work
}

// tables of a run on t, the trace that the scheduler saw.
func (r *Result) tables(t *datasets.Trace, window datasets.Window) *Tables {
	out := &Tables{Functions: []FunctionRow{}, Apps: []AppRow{}, Minutes: []MinuteRow{}}
	type key struct{ owner, app string }
	rows := make(map[key]int)
	for i := range r.Functions {
		fn, f := &r.Functions[i], &t.Functions[i]
		if fn.Requests() == 0 {
			continue
		}
		out.Functions = append(out.Functions, FunctionRow{f.Owner, f.App, f.Name, *fn})
		k := key{f.Owner, f.App}
		row, ok := rows[k]
		if !ok {
			row = len(out.Apps)
			rows[k] = row
			out.Apps = append(out.Apps, AppRow{Owner: f.Owner, App: f.App})
		}
		out.Apps[row].Functions++
		out.Apps[row].add(fn)
	}
	for i := range r.LiveGB {
		out.Minutes = append(out.Minutes, MinuteRow{window.From + i, r.LiveGB[i], r.WastedGB[i], r.Waiting[i], r.ColdStarts[i]})
	}
	return out
}

// AddTables puts the tables of every policy into its row. A bound has none: nothing ran.
func (rep *Report) AddTables() {
	for i, r := range rep.Results {
		if r.Kind != KindBound {
			rep.Policies[i].Tables = r.tables(rep.scheduled, rep.Window)
		}
	}
}
