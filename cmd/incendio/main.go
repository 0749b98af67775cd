// Command incendio trains and exports the models of a serverless scheduler from
// invocation traces, and judges schedulers by replaying them. See README.md.
package main

import (
	"os"

	"github.com/incendio-faas/incendio/datasets/parquet"
)

func main() {
	if code, is := parquet.ForeignReader(os.Args); is {
		os.Exit(code)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
