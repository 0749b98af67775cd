package sim_test

import (
	"testing"

	"github.com/incendio-faas/incendio/scheduler/sim"
)

func TestShardKeepsTheLoadOfACore(t *testing.T) {
	o := sim.DefaultOptions() // 8 invokers
	for _, c := range []struct {
		n, invokers int
		share       float64
	}{{20, 8, 1}, {8, 8, 1}, {2, 2, 0.25}, {1, 1, 0.125}, {0, 1, 0.125}} {
		got, share := o.Shard(c.n)
		if got.Cluster.Invokers != c.invokers || share != c.share || got.ScaleArrivals != c.share {
			t.Errorf("Shard(%d) has %d invokers, %g of the arrivals, share %g; want %d and %g", c.n, got.Cluster.Invokers, got.ScaleArrivals, share, c.invokers, c.share)
		}
		if got.Cluster.Cores != o.Cluster.Cores || got.Cluster.MemoryMB != o.Cluster.MemoryMB {
			t.Errorf("Shard(%d) changed the size of an invoker", c.n)
		}
	}
	if o.Cluster.Invokers != 8 || o.ScaleArrivals != 1 {
		t.Error("the options themselves changed")
	}
}
