package huawei2025

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/incendio-faas/incendio/datasets/internal/archive"
	"github.com/incendio-faas/incendio/datasets/internal/matrix"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
)

// A kind of file.
type kind int

const (
	alien kind = iota
	series
	coldStarts
	requestTable
	triggerTable
)

// Detect reports whether a file that begins with head may be one of this trace.
func Detect(head []byte) bool { return kindOf(head) != alien }

// kindOf tells the kind of a file by its beginning, whose first line may be cut off.
func kindOf(head []byte) kind {
	if columns, ok := matrix.Header(head); ok && strings.Contains(columns[0], separator) {
		return series
	}
	has := func(names ...string) bool { return rows.HasColumns(head, names...) }
	switch {
	case has("time", "funcName", "totalCost_cold_start", "podID"):
		return coldStarts
	case has("time_worker", "funcName", "totalCost_worker", "podID"):
		return requestTable
	case has("funcID", "triggerType-invocationType"):
		return triggerTable
	}
	return alien
}

// What is measured by time series.
const (
	execution = iota
	initialisation
	samples // of them
)

// What is counted by time series.
const (
	requests = iota
	starts
	counts // of them
)

// A file is one that may be read.
type file struct {
	member *archive.Member
	kind   kind
	region string // "": its path names none
	metric string // of a time series
	level  int    // of a quantile, in percent; average or none where it is no quantile
}

const (
	average = -1
	none    = -2
)

// metrics that are read; the others are of parts of a request or of a cold start.
var metrics = []string{"requests", "num_cold_starts", "totalCost", "totalCost_cold_start"}

var (
	regions = regexp.MustCompile(`^(R[1-9])([_.].*)?$`)
	levels  = regexp.MustCompile(`^(.*)_quantile_?([0-9]{3})$`)
)

// A picker sorts out what lies at a path.
type picker struct {
	region string   // that is asked for, "": the only one
	above  []string // names of folders that lead to the path, which may name region and metric
	self   string   // the name of a path that is no folder
	files  map[*archive.Member]*file
	alien  []string        // files that are something else
	unread map[string]bool // metrics that are not read
	found  []string        // regions
}

// newPicker looks at the name of the path: a folder or archive is often that of a region or
// a metric, and so is the folder of a file.
func newPicker(name, region string) (*picker, error) {
	full, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(full)
	if err != nil {
		return nil, err
	}
	p := &picker{region: region, files: map[*archive.Member]*file{}, unread: map[string]bool{}}
	if !info.IsDir() {
		full, p.self = filepath.Dir(full), filepath.Base(full)
	}
	p.above = []string{filepath.Base(filepath.Dir(full)), filepath.Base(full)}
	return p, nil
}

// parts are the names on the way to a member.
func (p *picker) parts(m *archive.Member) []string {
	parts := slices.Clone(p.above)
	if p.self != "" && p.self != m.Name { // an archive
		parts = append(parts, p.self)
	}
	return append(parts, strings.Split(m.Name, "/")...)
}

// pick chooses the files that are read, of the region.
func (p *picker) pick(m *archive.Member, head []byte) (bool, error) {
	f := &file{member: m, kind: kindOf(head), level: none}
	if f.kind == alien {
		p.alien = append(p.alien, m.Name)
		return false, nil
	}
	for _, part := range p.parts(m) {
		if found := regions.FindStringSubmatch(part); found != nil {
			f.region = found[1]
		}
	}
	if f.region != "" && !slices.Contains(p.found, f.region) {
		p.found = append(p.found, f.region)
	}
	if p.region != "" && f.region != "" && f.region != p.region {
		return false, nil
	}
	if f.kind == series && !p.measures(f) {
		return false, nil
	}
	p.files[m] = f
	return true, nil
}

// measures finds the metric of a time series: the last folder of its path. It is false for
// one that is not read.
func (p *picker) measures(f *file) bool {
	parts := p.parts(f.member)
	name := strings.TrimSuffix(parts[len(parts)-2], ".zip")
	f.metric = name
	if found := levels.FindStringSubmatch(name); found != nil {
		f.metric = found[1]
		f.level, _ = strconv.Atoi(found[2]) // three digits
	} else if avg, ok := strings.CutSuffix(name, "_avg"); ok {
		f.metric, f.level = avg, average
	}
	counted := f.metric == "requests" || f.metric == "num_cold_starts"
	if !slices.Contains(metrics, f.metric) || counted != (f.level == none) || f.level > 100 {
		p.unread[name] = true
		return false
	}
	return true
}

// settle makes sure that all files are of one region, which it returns.
func (p *picker) settle(set *archive.Set) (string, error) {
	slices.Sort(p.found)
	switch {
	case p.region != "" && len(p.found) > 0 && !slices.Contains(p.found, p.region):
		return "", fmt.Errorf("%s: no file of region %s: there are %s", set.Path, p.region, strings.Join(p.found, ", "))
	case p.region == "" && len(p.found) > 1:
		return "", fmt.Errorf("%s: files of the regions %s, whose functions have the same numbers: name one by --region", set.Path, strings.Join(p.found, ", "))
	case p.region == "" && len(p.found) == 1:
		p.region = p.found[0]
	}
	if len(set.Members) > 0 {
		return p.region, nil
	}
	if err := set.Foreign(); err != nil {
		return "", err
	}
	if len(p.unread) > 0 {
		return "", fmt.Errorf("%s: time series of %s alone: expected requests", set.Path, strings.Join(keys(p.unread), ", "))
	}
	return "", errors.New(set.Path + ": no file of this trace: expected time series with a column for each funcName---userID---poolName, or a table of cold starts or of requests")
}

// of returns the files of a kind in the order of the set.
func (p *picker) of(set *archive.Set, k kind) []*file {
	var out []*file
	for _, m := range set.Members {
		if f := p.files[m]; f.kind == k {
			out = append(out, f)
		}
	}
	return out
}

// A share is what of the requests of a minute a quantile stands for: those that are
// nearer to it than to another one.
func share(level int, all []int) float64 {
	if level == average {
		return 1
	}
	from, to := 0., 1.
	for _, l := range all {
		middle := float64(l+level) / 200
		if l < level {
			from = max(from, middle)
		} else if l > level {
			to = min(to, middle)
		}
	}
	return to - from
}

// use says how a time series is read: its values, and what they are for; by is the metric
// of counts that weights measurements, and all are the quantiles of the metric.
func (f *file) use(hasRequests, hasStarts bool, all []int) (matrix.Values, matrix.Use) {
	by := func(metric int, has bool) int {
		if has {
			return metric
		}
		return -1
	}
	switch f.metric {
	case "requests":
		return matrix.Values{Name: f.metric, Whole: true, Max: rows.MaxCount}, matrix.Use{Counts: true, Metric: requests}
	case "num_cold_starts":
		return matrix.Values{Name: f.metric, Whole: true, Max: rows.MaxCount}, matrix.Use{Counts: true, Metric: starts}
	case "totalCost":
		return matrix.Values{Name: f.metric, Max: maxSeconds}, matrix.Use{Metric: execution, By: by(requests, hasRequests), Share: share(f.level, all)}
	default:
		return matrix.Values{Name: f.metric, Max: maxSeconds}, matrix.Use{Metric: initialisation, By: by(starts, hasStarts), Share: share(f.level, all)}
	}
}

// keys are the sorted keys of a set.
func keys(set map[string]bool) []string {
	var names []string
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
