//go:build tools

// Package tools pins the programs that execute the notebooks. It is a module of its
// own, so that they are no dependencies of the program.
package tools

import (
	_ "github.com/janpfeifer/gonb"
	_ "golang.org/x/tools/cmd/goimports"
)
