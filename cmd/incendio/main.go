// Command incendio trains and exports the models of a serverless scheduler from
// invocation traces, and judges schedulers by replaying them. See README.md.
package main

import (
	"os"

	"github.com/incendio-faas/incendio/datasets/parquet/foreign"
)

func main() {
	if code, is := foreign.Serve(os.Args); is {
		os.Exit(code)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
