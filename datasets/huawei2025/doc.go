// Package huawei2025 reads the trace of Huawei Cloud of 2025 (Joosen et al., "Serverless
// Cold Starts and Where to Find Them", EuroSys 2025; sir-lab/data-release, CC-BY-4.0): 31
// days of five regions of its public cloud.
//
// [Open] looks at a folder, an archive or a file, which may hold any of four kinds of
// files. Each is known by its header, and a metric by the folder that its files lie in:
//
//   - time series, <region>/<metric>[_avg|_std|_quantile_NNN]/day_NN.csv: a row a minute and
//     a column a function, read by [matrix];
//   - cold starts, <region>/day_NN.csv: an event a row;
//   - requests of the last day: a request a row;
//   - the triggers of the functions of region 2.
//
// A function is a funcID: funcName, userID and pool, as in 400---418---pool22-300-128. The
// user becomes its owner, the function name its application, and the funcID its name. The
// pool gives the CPU limit in millicores and the memory in MB (of 2^20 bytes) of its
// containers: both are measured.
//
// What counts, by what is there:
//
//   - the metric requests, by the minute;
//   - otherwise the table of requests, one by one. The release's timestamps are those of
//     the end (in its own example the frontend's is a millisecond after the worker's, and
//     spans it), so a request arrived at time_frontend - totalCost_frontend, and where
//     these are missing at time_worker - totalCost_worker; but never before the midnight
//     of the day of its record. It took totalCost_worker, which is workerCost +
//     runtimeCost: what its container was busy for;
//   - otherwise cold starts, one by one, and the trace says so: they are not the
//     invocations, but those that found no container. One request may cause several.
//
// What is measured of a function:
//
//   - its execution, by the metric totalCost in seconds: every minute spreads its
//     requests over the quantiles that are there (or gives them all the average, where
//     none are). Otherwise by the table of requests;
//   - its initialisation, by totalCost_cold_start of the table of cold starts, or else of the
//     metric of that name, weighted by num_cold_starts. Termination is 0.6 of it. The store
//     has no place for the parts of a cold start;
//   - its trigger: the first one that is known of the list in the table of triggers. These
//     are of region 2, and are used for it alone.
//
// What a function lacks gets the defaults [datasets.DefaultExecution],
// [datasets.DefaultMemory] and [datasets.DefaultCPU], marked as assumed. Days without a
// file between others are gaps of the trace.
//
// [matrix]: https://pkg.go.dev/github.com/incendio-faas/incendio/datasets/internal/matrix
package huawei2025
