package main

import (
	"maps"
	"slices"
	"testing"
)

// TestDetect has the beginning of a file of each format, and every format that ingest
// reads has one.
func TestDetect(t *testing.T) {
	seen := map[string]bool{"": true}
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
		if got := detect([]byte(head)); got != want {
			t.Errorf("%q: %q, expected %q", head, got, want)
		}
		seen[want] = true
	}
	for _, format := range slices.Sorted(maps.Keys(readers)) {
		if !seen[format] {
			t.Errorf("format %s: no file that is recognised", format)
		}
	}
}
