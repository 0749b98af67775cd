package sim

// Shard returns the replay of a part of the cluster: at most n of its invokers, with
// their share of the arrivals. The load of a core is that of the whole, so queues build
// up as there; what is lost is that containers of a rare function serve all invokers.
// The share is returned too.
func (o Options) Shard(n int) (Options, float64) {
	if n >= o.Cluster.Invokers {
		return o, 1
	}
	n = max(n, 1)
	share := float64(n) / float64(o.Cluster.Invokers)
	o.Cluster.Invokers = n
	o.ScaleArrivals *= share
	return o, share
}
