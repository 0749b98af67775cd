// Package lightgbm reads what LightGBM's command line reads: configurations of
// key=value lines, and data files of comma- or tab-separated numbers with their weights.
//
// [Parse] turns a configuration and the arguments that override it into a [Config],
// whose Options train a model with package gbdt. [ReadTable] reads a data file to train
// with, [ReadRows] one to predict. The keys are those of LightGBM 4.6, by all their
// aliases: those that can change the model are set or, where their value asks for
// something that gbdt does not do, refused; those that can not are recorded.
package lightgbm

import "fmt"

// A SyntaxError says where a file is wrong.
type SyntaxError struct {
	File string
	Line int // from 1
	Msg  string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg) }
