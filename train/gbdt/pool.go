package gbdt

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/incendio-faas/incendio/internal/parallel"
)

// A pool runs numbered tasks on a fixed number of goroutines. Which goroutine takes a
// task is left to chance, so tasks write to places of their own and results are
// combined in the order of the numbers.
type pool struct {
	workers int
	wake    chan *job
}

type job struct {
	n    int
	next atomic.Int64
	f    func(i int)
	done sync.WaitGroup

	panicked atomic.Pointer[parallel.Panic] // the first panic
}

// newPool starts workers-1 goroutines: the caller of run is the last worker. Close
// ends them.
func newPool(workers int) *pool {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	p := &pool{workers: workers, wake: make(chan *job)}
	for range workers - 1 {
		go func() {
			for j := range p.wake {
				j.work()
				j.done.Done()
			}
		}()
	}
	return p
}

func (p *pool) close() { close(p.wake) }

// work takes tasks. A panic of one is kept, and no more are taken.
func (j *job) work() {
	defer func() {
		if v := recover(); v != nil {
			j.next.Store(int64(j.n))
			j.panicked.CompareAndSwap(nil, parallel.Caught(v))
		}
	}()
	for {
		i := int(j.next.Add(1)) - 1
		if i >= j.n {
			return
		}
		j.f(i)
	}
}

// run calls f(0) to f(n-1) and returns when all have returned. It panics with a
// *parallel.Panic if one does.
func (p *pool) run(n int, f func(i int)) {
	helpers := min(p.workers, n) - 1
	if helpers <= 0 {
		for i := range n {
			f(i)
		}
		return
	}
	j := &job{n: n, f: f}
	j.done.Add(helpers)
	for range helpers {
		p.wake <- j
	}
	j.work()
	j.done.Wait()
	if p := j.panicked.Load(); p != nil {
		panic(p)
	}
}

// blockRows is the number of rows in a task of blocks. It is a constant, so that sums
// over blocks do not depend on the number of workers.
const blockRows = 8192

// blocks calls f for consecutive ranges of [0, n).
func (p *pool) blocks(n int, f func(from, to int)) {
	p.run((n+blockRows-1)/blockRows, func(b int) {
		f(b*blockRows, min((b+1)*blockRows, n))
	})
}

// sum adds f over consecutive ranges of [0, n), always in the same order.
func (p *pool) sum(n int, f func(from, to int) float64) float64 {
	parts := make([]float64, (n+blockRows-1)/blockRows)
	p.blocks(n, func(from, to int) { parts[from/blockRows] = f(from, to) })
	s := 0.0
	for _, v := range parts {
		s += v
	}
	return s
}
