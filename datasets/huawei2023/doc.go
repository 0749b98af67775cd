// Package huawei2023 reads the traces of Huawei Cloud of 2023 (Joosen et al., "How Does
// It Function? Characterizing Long-term Trends in Production Serverless Workloads", SoCC
// 2023; sir-lab/data-release, CC-BY-4.0): the private one of 200 functions and 141 days,
// and the public one of 5093 functions and 26 days.
//
// [Open] looks at a folder, an archive or a file. There is a file for every metric and
// day, in a folder named after the metric,
//
//	requests_minute/day_000.csv         day,time,0,1,2,…
//	function_delay_minute/day_000.csv   and so on
//
// read by [matrix]: time is seconds since the start of the trace, over all days, and the
// column day is not used; an empty cell says that there was no measurement.
//
// What becomes of the metrics:
//
//   - requests decide which functions and minutes there are. Files by the minute are
//     preferred; where a day has only one by the second, it is summed. Files of the
//     public trace, in whose paths no metric is named, are taken for requests.
//   - function_delay gives the execution times, in milliseconds: quantiles of the means of
//     minutes (or seconds), weighted by the requests of their minute. The tails of single
//     invocations are longer. The release names no unit; that it is milliseconds is how
//     others read it, too.
//   - memory_limit gives the memory of a container, in MB of 2^20 bytes, and cpu_limit its
//     cores: the medians over all minutes. The release's README says of both that they
//     are for all pods of a function, and of cpu_limit that it is normalised; but its own
//     notebook multiplies cpu_limit by the number of instances to get the total, and
//     labels it in cores, and that is done here.
//   - platform_delay is not used. It is the mean of scheduling and network over warm and
//     cold requests alike, so it is no time to start a container, nor is one to be had
//     from it: start costs stay assumed.
//   - cpu_usage, memory_usage and instances are what the platform made of the load, and
//     no attributes of a function.
//
// What a function lacks gets the defaults [datasets.DefaultExecution],
// [datasets.DefaultMemory] and [datasets.DefaultCPU], marked as assumed. A function has
// neither owner nor trigger, and is an application of its own.
//
// A day that is missing between others, and a minute without a row, is a gap in the
// trace: nobody observed it. A cell that is empty between others is stored like a 0,
// because the store has only what was counted.
//
// [matrix]: https://pkg.go.dev/github.com/incendio-faas/incendio/datasets/internal/matrix
package huawei2023
