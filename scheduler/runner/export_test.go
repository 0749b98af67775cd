package runner

import (
	"context"
	"os"
)

// BreakJournal lets the journal of r fail, until the function that it returns is called.
func BreakJournal(r *Runner) (mend func()) {
	var journal *os.File
	swap := func(to func() *os.File) {
		if err := r.inside(context.Background(), func() error {
			journal, r.store.journal = r.store.journal, to()
			return nil
		}); err != nil {
			panic(err)
		}
	}
	swap(func() *os.File {
		f, err := os.Open(os.DevNull) // to read
		if err != nil {
			panic(err)
		}
		return f
	})
	return func() {
		bad := journal
		swap(func() *os.File { return bad })
		journal.Close()
	}
}
