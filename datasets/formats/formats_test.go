package formats_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/incendio-faas/incendio/datasets/formats"
)

// Files are known by how they begin, those of the examples among them.
func TestDetect(t *testing.T) {
	for head, want := range map[string]string{
		"HashOwner,HashApp,HashFunction,Trigger,1,2,3\n":                         "azure2019",
		"HashOwner,HashApp,SampleCount,AverageAllocatedMb\n":                     "azure2019",
		"\ufeffHashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum\r\n": "azure2019",
		"app,func,end_timestamp,duration\na,f,1,1\n":                             "azure2021",
		"__time__,functionName,latency,runtime,memoryMB\n":                       "alibaba",
		"day,time,0,1,2\n0,0,1,,\n":                                              "huawei2023",
		"day,time,400---418---pool22-300-128\n":                                  "huawei2025",
		"day,time,clusterName,funcName,userID,requestID,totalCost_cold_start,podAllocationCost,deployCodeCost,deployDependencyCost,schedulingCost,podID\n": "huawei2025",
		"time_worker,time_frontend,requestID,clusterName,funcName,podID,userID,totalCost_worker,workerCost,runtimeCost\n":                                  "huawei2025",
		"funcID,cpu_request,runtime,triggerType-invocationType\n":                                                                                          "huawei2025",
		"[\n  {\"activationId\": \"1\", \"namespace\": \"guest\"":                                                                                          "openwhisk",
		"{\"total_rows\":1,\"rows\":[{\"doc\":{\"activationId\":\"x\"":                                                                                     "openwhisk",
		`{"status":"success","data":{"resultType":"matrix","result":[`:                                                                                     "prometheus",
		"function,day,minute,count\n":                  "counts",
		`{"minute":"2026-03-02T00:00:00Z","count":1}`:  "counts",
		"function,arrival,duration_ms\n":               "invocations",
		`{"function":"f","arrival":1,"duration_ms":2}`: "invocations",
		"": "", "# Readme\n": "", "{}": "", "a,b,c\n": "", "app,func\n": "",
	} {
		if got, ok := formats.Detect([]byte(head)); got.Name != want || ok != (want != "") {
			t.Errorf("%q: %q, expected %q", head, got.Name, want)
		}
	}
	for _, f := range formats.All() {
		for name, text := range examples[f.Name].files(1) {
			if got, ok := formats.Detect([]byte(text)[:min(len(text), 4096)]); !ok || got.Name != f.Name {
				t.Errorf("%s of the example of %s: looks like %q", name, f.Name, got.Name)
			}
		}
	}
}

// Every format opens what it detects, refuses options that it does not take, and takes those that it names.
func TestTable(t *testing.T) {
	o := formats.DefaultOptions()
	for _, f := range formats.All() {
		if err := f.Validate(o); err != nil {
			t.Errorf("%s: defaults are refused: %v", f.Name, err)
		}
		if named, ok := formats.Named(f.Name); !ok || named.Name != f.Name {
			t.Errorf("%s: not found by its name", f.Name)
		}
		for option, set := range map[string]func(*formats.Options){
			"columns": func(o *formats.Options) { o.Columns = map[string]string{"function": "fn"} },
			"start":   func(o *formats.Options) { o.Start = o.Start.AddDate(1, 0, 0) },
			"zone":    func(o *formats.Options) { o.Zone = "Europe/Berlin" }, "region": func(o *formats.Options) { o.Region = "R1" },
			"day_origin": func(o *formats.Options) { o.DayOrigin = 1 }, "minute_origin": func(o *formats.Options) { o.MinuteOrigin = 1 },
			"values": func(o *formats.Options) { o.Values = "increase" }, "range": func(o *formats.Options) { o.Values, o.Range = "increase", time.Minute },
		} {
			o := formats.DefaultOptions()
			set(&o)
			if err, takes := f.Validate(o), slices.Contains(f.Takes, option); (err == nil) != takes {
				t.Errorf("%s: %s: takes it: %v, error %v", f.Name, option, takes, err)
			}
		}
		if _, err := f.Open(t.Context(), t.TempDir(), o); err == nil {
			t.Errorf("%s: opens an empty folder", f.Name)
		}
	}
	if _, ok := formats.Named("csv"); ok {
		t.Error("found a format csv")
	}
	counts, _ := formats.Named("counts")
	file := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(file, []byte("app,func,end_timestamp,duration\na,f,1,1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := counts.Open(t.Context(), file, o); err == nil || !strings.Contains(err.Error(), "looks like azure2021") {
		t.Errorf("error %v", err)
	}
}
