package huawei2023

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/incendio-faas/incendio/datasets/internal/archive"
	"github.com/incendio-faas/incendio/datasets/internal/matrix"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// What is measured of a function.
const (
	execution = iota
	memory
	cpu
	samples // of them
)

// A metric is what a file holds, by the word for it in its path.
type metric struct {
	word   string
	read   bool
	values matrix.Values
	use    matrix.Use
}

const requests = "requests"

var metrics = []metric{
	{requests, true, matrix.Values{Name: requests, Whole: true, Max: rows.MaxCount}, matrix.Use{Counts: true}},
	{"function_delay", true, matrix.Values{Name: "function_delay", Max: maxMilliseconds}, matrix.Use{Metric: execution, Share: 1}},
	{"memory_limit", true, matrix.Values{Name: "memory_limit", Max: maxMB}, matrix.Use{Metric: memory, By: -1, Share: 1, Positive: true}},
	{"cpu_limit", true, matrix.Values{Name: "cpu_limit", Max: maxCores}, matrix.Use{Metric: cpu, By: -1, Share: 1, Positive: true}},
	{"platform_delay", false, matrix.Values{}, matrix.Use{}},
	{"cpu_usage", false, matrix.Values{}, matrix.Use{}},
	{"memory_usage", false, matrix.Values{}, matrix.Use{}},
	{"instances", false, matrix.Values{}, matrix.Use{}},
}

var words = regexp.MustCompile(`(requests|function_delay|memory_limit|cpu_limit|platform_delay|cpu_usage|memory_usage|instances)(_minute|_second)?`)

// A file is one that may be read.
type file struct {
	member   *archive.Member
	metric   *metric
	named    bool   // its path names the metric
	bySecond bool   // as its path says
	byMinute bool   // likewise; of many paths neither
	platform string // the folder that its metric lies in
}

// use says how the file is read.
func (f *file) use(o *matrix.Outline) matrix.File {
	v := f.metric.values
	if v.Whole && o.Step == 1 { // so that the sum of a minute is bounded alike
		v.Max = rows.MaxCount / 60
	}
	return matrix.File{Name: f.member.Source(), Path: f.member.Path, Open: f.member.Open, Outline: o, Values: v, Use: f.metric.use}
}

// A picker sorts out what lies at a path.
type picker struct {
	above string // names of folders that lead to the path, which may name a metric
	files map[*archive.Member]*file
	other map[string]bool // metrics of files that are not read
	twice []string        // files by the second that are there by the minute
	alien []string        // files that are something else
}

// newPicker looks at the name of the path: a folder or archive is often that of one
// metric, and so is the folder of a file.
func newPicker(name string) (*picker, error) {
	full, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(full)
	if err != nil {
		return nil, err
	}
	p := &picker{files: map[*archive.Member]*file{}, other: map[string]bool{}}
	p.above = filepath.Base(full)
	if !info.IsDir() {
		p.above = filepath.Base(filepath.Dir(full)) + "/" + p.above
	}
	return p, nil
}

// pick chooses the files of metrics that are read.
func (p *picker) pick(m *archive.Member, head []byte) (bool, error) {
	if !Detect(head) {
		p.alien = append(p.alien, m.Name)
		return false, nil
	}
	f := p.describe(m)
	if !f.metric.read {
		p.other[f.metric.word] = true
		return false, nil
	}
	p.files[m] = f
	return true, nil
}

// describe finds the metric in the path of a file: that of the last part which names one.
func (p *picker) describe(m *archive.Member) *file {
	f := &file{member: m, metric: &metrics[0], platform: path.Dir(m.Name)}
	parts := strings.Split(m.Name, "/")
	for i, part := range parts {
		if words.MatchString(strings.ToLower(part)) {
			f.platform = strings.Join(parts[:i], "/")
			break
		}
	}
	for _, part := range slices.Backward(strings.Split(p.above+"/"+m.Name, "/")) {
		found := words.FindStringSubmatch(strings.ToLower(part))
		if found == nil {
			continue
		}
		i := slices.IndexFunc(metrics, func(m metric) bool { return m.word == found[1] })
		f.metric, f.named, f.bySecond, f.byMinute = &metrics[i], true, found[2] == "_second", found[2] == "_minute"
		break
	}
	return f
}

// choose returns the files that are read, of one platform. Files by the second need not be
// opened where a file of the same name is there by the minute.
func (p *picker) choose(set *archive.Set) ([]file, error) {
	type key struct {
		metric *metric
		name   string
	}
	minutes := map[key]bool{}
	for _, f := range p.files {
		if !f.bySecond {
			minutes[key{f.metric, f.member.Base()}] = true
		}
	}
	var out []file
	kept := set.Members[:0]
	for _, m := range set.Members {
		f := p.files[m]
		if f.bySecond && minutes[key{f.metric, m.Base()}] {
			p.twice = append(p.twice, m.Name)
			continue
		}
		if len(out) > 0 && (out[0].platform != f.platform || out[0].named != f.named) {
			return nil, fmt.Errorf("%s and %s: files of two traces, whose functions have the same numbers: give the folder of one", out[0].member.Path, m.Path)
		}
		out = append(out, *f)
		kept = append(kept, m)
	}
	set.Members = kept
	if len(out) > 0 {
		return out, nil
	}
	if err := set.Foreign(); err != nil {
		return nil, err
	}
	if len(p.other) > 0 {
		return nil, fmt.Errorf("%s: holds %s alone: expected requests", set.Path, strings.Join(p.unused(), ", "))
	}
	return nil, errors.New(set.Path + ": no file of this trace: expected CSV with the header day,time,0,1,2,… in folders requests_minute, function_delay_minute, …")
}

// unused are the metrics that are there and are not read.
func (p *picker) unused() []string {
	var names []string
	for _, m := range metrics {
		if p.other[m.word] {
			names = append(names, m.word)
		}
	}
	return names
}

// notes are the remarks on what was read and what was left.
func (p *picker) notes() []string {
	var notes []string
	read, named := map[string]bool{}, true
	for _, f := range p.files {
		read[f.metric.word] = true
		named = named && f.named
	}
	if !named {
		notes = append(notes, "no path names a metric; files are taken for requests")
	}
	if read["function_delay"] {
		notes = append(notes, "execution times are means of minutes over all containers of a function, taken to be in milliseconds, weighted by requests")
	} else {
		notes = append(notes, "there is no function_delay: execution times are assumed")
	}
	if read["memory_limit"] {
		notes = append(notes, "memory is the median of memory_limit, taken to be that of one container")
	} else {
		notes = append(notes, "there is no memory_limit: memory is assumed")
	}
	if read["cpu_limit"] {
		notes = append(notes, "CPU is the median of cpu_limit, taken to be cores of one container")
	} else {
		notes = append(notes, "there is no cpu_limit: CPU (1 core) is assumed")
	}
	if other := p.unused(); len(other) > 0 {
		notes = append(notes, "metrics that say nothing of a function and were not read: "+strings.Join(other, ", "))
	}
	if len(p.twice) > 0 {
		notes = append(notes, "files by the second that are there by the minute and were not read: "+quotedList(p.twice))
	}
	if len(p.alien) > 0 {
		notes = append(notes, "files of other formats that were not read: "+quotedList(p.alien))
	}
	return notes
}
