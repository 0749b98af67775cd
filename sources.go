// Package incendio holds the sources of the module it is the root of. From them a job
// knows which code runs: a result is kept for as long as no package that made it has
// changed, see [pipelines/stage].
//
// It does nothing else. To use the module as a library begin with one of these:
//
//   - scheduler: the scheduler that a control plane embeds; scheduler/sim, the simulator
//   - datasets: what a trace is; datasets/parquet, the store; the readers beside it
//   - features/prophet/fit: decompositions; train/gbdt: boosted trees
//   - pipelines: the nightly job, which cmd/incendio runs
//
// [pipelines/stage]: https://pkg.go.dev/github.com/incendio-faas/incendio/pipelines/stage
package incendio

import "embed"

// Module is the path of the module.
const Module = "github.com/incendio-faas/incendio"

// Sources are the files of its packages below cmd, tests included, by their paths in it;
// and go.mod and go.sum, which name the code of others. A test of pipelines compares them
// with what the go command compiles.
//
//go:embed go.mod go.sum
//go:embed datasets/*.go datasets/*/*.go datasets/*/*/*.go datasets/*/*/*/*.go datasets/synthetic/workloads/profiles.csv
//go:embed export/*.go export/*/*.go
//go:embed features/*.go features/*/*.go features/*/*/*.go features/*/*/*/*.go
//go:embed internal/*/*.go metric/*.go
//go:embed pipelines/*.go pipelines/*/*.go pipelines/*/*/*.go pipelines/*.yaml pipelines/report/page.*
//go:embed scheduler/*.go scheduler/*/*.go scheduler/*/*.s
//go:embed train/*.go train/*/*.go train/*/*.s train/*/*/*.go
var Sources embed.FS
