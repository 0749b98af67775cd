// Package cluster groups vectors by k-means: the environments that a scheduling
// agent is trained for, and the arrival patterns that functions share.
//
// Centroids are seeded by k-means++ (Arthur and Vassilvitskii, "k-means++: The
// Advantages of Careful Seeding", SODA 2007) and improved by Lloyd's iterations. The
// number of clusters is the one in a range with the largest mean silhouette
// (Rousseeuw, "Silhouettes", J. Comput. Appl. Math. 20, 1987), under the rule that no
// cluster is smaller than a share of the points.
//
// Distances are Euclidean, so the columns should be of like scale: see [Scaler].
// Results depend on the points, their order, and the options alone.
package cluster

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/incendio-faas/incendio/internal/option"
	"github.com/incendio-faas/incendio/internal/parallel"
	"github.com/incendio-faas/incendio/internal/seed"
)

// Options of KMeans.
type Options struct {
	// MinClusters and MaxClusters bound the number of clusters that is looked for,
	// 1 <= MinClusters <= MaxClusters. Default 4 to 12 (docs/models.md, decision 25).
	// There are fewer where the points do not allow for so many clusters of MinShare.
	MinClusters int `json:"min_clusters"`
	MaxClusters int `json:"max_clusters"`
	// MinShare is the smallest share of the points that a cluster may have, [0, 0.5].
	// A smaller one is dissolved. Default 0.05.
	MinShare float64 `json:"min_share"`
	// Restarts is how many seedings are tried per number of clusters, >= 1. Default 4.
	Restarts int `json:"restarts"`
	// MaxIterations of Lloyd per seeding, >= 1. Default 100.
	MaxIterations int `json:"max_iterations"`
	// SilhouetteSample is how many points the silhouette is averaged over and measured
	// against, >= 2; it costs its square. Default 1000.
	SilhouetteSample int `json:"silhouette_sample"`
	// Seed of the random numbers. Default 1.
	Seed uint64 `json:"seed"`
	// Workers that run at once; 0, the default, is one per processor. The result does
	// not depend on it.
	Workers int `json:"workers"`
}

// DefaultOptions returns the defaults.
func DefaultOptions() Options {
	return Options{MinClusters: 4, MaxClusters: 12, MinShare: 0.05, Restarts: 4, MaxIterations: 100, SilhouetteSample: 1000, Seed: 1}
}

// Validate reports all options that are out of range.
func (o Options) Validate() error {
	out := option.Check{Package: "cluster"}
	out.That(o.MinClusters >= 1, "min_clusters", "must be at least 1, got %d", o.MinClusters)
	out.That(o.MaxClusters >= o.MinClusters, "max_clusters", "must be at least min_clusters (%d), got %d", o.MinClusters, o.MaxClusters)
	out.That(o.MinShare >= 0 && o.MinShare <= 0.5, "min_share", "must be in [0, 0.5], got %v", o.MinShare)
	out.That(o.Restarts >= 1, "restarts", "must be at least 1, got %d", o.Restarts)
	out.That(o.MaxIterations >= 1, "max_iterations", "must be at least 1, got %d", o.MaxIterations)
	out.That(o.SilhouetteSample >= 2, "silhouette_sample", "must be at least 2, got %d", o.SilhouetteSample)
	out.That(o.Workers >= 0, "workers", "must not be negative, got %d", o.Workers)
	return out.Err()
}

// A Result is a partition of the points. Clusters are in descending order of size,
// equal ones in lexical order of their centroids.
type Result struct {
	Centroids  [][]float64 // (clusters, dimensions): the means
	Assignment []int       // length points: the nearest centroid
	Size       []int       // length clusters
	Inertia    float64     // sum of squared distances to the centroids
	Silhouette float64     // mean over the sample, in [-1, 1]; 0 for one cluster
}

// KMeans groups points, of shape (points, dimensions). It is an error if there are
// none, if their lengths differ, or if a value is not finite.
func KMeans(ctx context.Context, points [][]float64, o Options) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := check(points); err != nil {
		return nil, err
	}
	sample := sampleOf(len(points), o)
	first := min(o.MinClusters, len(points))
	last := min(o.MaxClusters, len(points))
	results := make([]*Result, last-first+1)

	err := parallel.For(ctx, len(results), o.Workers, func(i int) {
		results[i] = best(ctx, points, first+i, sample, o)
	})
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	chosen := results[0]
	for _, r := range results[1:] { // of equals, the fewest clusters
		if r.Silhouette > chosen.Silhouette {
			chosen = r
		}
	}
	return chosen, nil
}

func check(points [][]float64) error {
	if len(points) == 0 {
		return fmt.Errorf("cluster: no points")
	}
	for i, p := range points {
		if len(p) != len(points[0]) {
			return fmt.Errorf("cluster: point %d has %d dimensions, point 0 has %d", i, len(p), len(points[0]))
		}
		for j, v := range p {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("cluster: point %d, dimension %d is %v, expected a finite number", i, j, v)
			}
		}
	}
	return nil
}

// sampleOf draws the points that the silhouette is measured on, in ascending order.
func sampleOf(n int, o Options) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	if n <= o.SilhouetteSample {
		return all
	}
	rng := seed.Stream(o.Seed, "cluster/silhouette")
	rng.Shuffle(n, func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = all[:o.SilhouetteSample]
	slices.Sort(all)
	return all
}

// best is the partition into at most k clusters with the least inertia over the restarts.
func best(ctx context.Context, points [][]float64, k int, sample []int, o Options) *Result {
	var chosen *Result
	for restart := range o.Restarts {
		if ctx.Err() != nil {
			return &Result{}
		}
		centroids := plusPlus(points, k, seed.Stream(o.Seed, fmt.Sprintf("cluster/%d/%d", k, restart)))
		r := lloyd(points, centroids, o)
		// Fewer clusters have a larger inertia: those that hold k win by themselves.
		if chosen == nil || r.Inertia < chosen.Inertia {
			chosen = r
		}
	}
	chosen.sort()
	chosen.Silhouette = silhouette(points, chosen, sample)
	return chosen
}

// lloyd moves the centroids to the means of what is nearest to them until nothing
// changes, and dissolves clusters that are too small, smallest first.
func lloyd(points, centroids [][]float64, o Options) *Result {
	least := int(math.Ceil(o.MinShare * float64(len(points))))
	least = max(least, 1)
	r := &Result{Centroids: centroids, Assignment: make([]int, len(points))}
	for {
		for range o.MaxIterations {
			if !r.assign(points) {
				break
			}
			r.centre(points)
		}
		r.assign(points) // the last iteration may have moved the centroids
		smallest := 0
		for c, n := range r.Size {
			if n < r.Size[smallest] {
				smallest = c
			}
		}
		if r.Size[smallest] >= least || len(r.Centroids) == 1 {
			r.Inertia = 0
			for i, p := range points {
				r.Inertia += squared(p, r.Centroids[r.Assignment[i]])
			}
			return r
		}
		r.Centroids = slices.Delete(r.Centroids, smallest, smallest+1)
	}
}

// assign gives every point to its nearest centroid, of equals the first, and reports
// whether anything changed.
func (r *Result) assign(points [][]float64) bool {
	changed := len(r.Size) != len(r.Centroids)
	r.Size = make([]int, len(r.Centroids))
	for i, p := range points {
		c, _ := Nearest(r.Centroids, p)
		if c != r.Assignment[i] {
			r.Assignment[i] = c
			changed = true
		}
		r.Size[c]++
	}
	return changed
}

// centre moves each centroid to the mean of its points; one without points stays.
func (r *Result) centre(points [][]float64) {
	sums := make([][]float64, len(r.Centroids))
	for c := range sums {
		sums[c] = make([]float64, len(points[0]))
	}
	for i, p := range points {
		sum := sums[r.Assignment[i]]
		for j, v := range p {
			sum[j] += v
		}
	}
	for c, sum := range sums {
		if r.Size[c] == 0 {
			continue
		}
		for j := range sum {
			sum[j] /= float64(r.Size[c])
		}
		r.Centroids[c] = sum
	}
}

// sort numbers the clusters by size, so that the numbers do not tell the seeding.
func (r *Result) sort() {
	order := make([]int, len(r.Centroids))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if r.Size[a] != r.Size[b] {
			return r.Size[b] - r.Size[a]
		}
		return slices.Compare(r.Centroids[a], r.Centroids[b])
	})
	rank := make([]int, len(order))
	centroids, size := make([][]float64, len(order)), make([]int, len(order))
	for to, from := range order {
		rank[from], centroids[to], size[to] = to, r.Centroids[from], r.Size[from]
	}
	for i, c := range r.Assignment {
		r.Assignment[i] = rank[c]
	}
	r.Centroids, r.Size = centroids, size
}

// Radius is, per cluster, the q-quantile of the distances of its points to its
// centroid (nearest rank), q in (0, 1]. points are those that r was made of.
func (r *Result) Radius(points [][]float64, q float64) []float64 {
	distances := make([][]float64, len(r.Centroids))
	for i, p := range points {
		c := r.Assignment[i]
		distances[c] = append(distances[c], math.Sqrt(squared(p, r.Centroids[c])))
	}
	radius := make([]float64, len(distances))
	for c, d := range distances {
		if len(d) == 0 {
			continue
		}
		slices.Sort(d)
		radius[c] = d[min(max(int(math.Ceil(q*float64(len(d))))-1, 0), len(d)-1)]
	}
	return radius
}

// Nearest returns the centroid nearest to p, of equals the first, and the distance.
func Nearest(centroids [][]float64, p []float64) (int, float64) {
	at, least := 0, math.Inf(1)
	for c, q := range centroids {
		if d := squared(p, q); d < least {
			at, least = c, d
		}
	}
	return at, math.Sqrt(least)
}

func squared(a, b []float64) float64 {
	var sum float64
	for i, v := range a {
		d := v - b[i]
		sum += d * d
	}
	return sum
}

type source interface {
	IntN(n int) int
	Float64() float64
}

// plusPlus draws k centroids: the first uniformly from the points, each further one
// with a probability in proportion to its squared distance to those there are.
func plusPlus(points [][]float64, k int, rng source) [][]float64 {
	centroids := [][]float64{slices.Clone(points[rng.IntN(len(points))])}
	nearest := make([]float64, len(points))
	for i := range nearest {
		nearest[i] = math.Inf(1)
	}
	for len(centroids) < k {
		var total float64
		for i, p := range points {
			nearest[i] = min(nearest[i], squared(p, centroids[len(centroids)-1]))
			total += nearest[i]
		}
		if total == 0 { // no further distinct points
			break
		}
		u := rng.Float64() * total
		pick := -1
		for i, d := range nearest {
			if d == 0 {
				continue
			}
			pick = i
			if u -= d; u < 0 {
				break
			}
		}
		centroids = append(centroids, slices.Clone(points[pick]))
	}
	return centroids
}

// silhouette is the mean over the sampled points of (b - a) / max(a, b), where a is the
// mean distance to the others of the own cluster and b the least mean distance to
// another cluster, both within the sample; 0 for a point alone in its cluster.
func silhouette(points [][]float64, r *Result, sample []int) float64 {
	k := len(r.Centroids)
	if k < 2 {
		return 0
	}
	size := make([]int, k)
	for _, i := range sample {
		size[r.Assignment[i]]++
	}
	// Each distance is used twice; sums are kept per point and cluster.
	sums := make([]float64, len(sample)*k)
	for a, i := range sample {
		for b := a + 1; b < len(sample); b++ {
			j := sample[b]
			d := math.Sqrt(squared(points[i], points[j]))
			sums[a*k+r.Assignment[j]] += d
			sums[b*k+r.Assignment[i]] += d
		}
	}
	var total float64
	for a, i := range sample {
		own := r.Assignment[i]
		if size[own] < 2 {
			continue
		}
		within, between := sums[a*k+own]/float64(size[own]-1), math.Inf(1)
		for c := range k {
			if c != own && size[c] > 0 {
				between = min(between, sums[a*k+c]/float64(size[c]))
			}
		}
		if m := max(within, between); m > 0 && !math.IsInf(between, 1) {
			total += (between - within) / m
		}
	}
	return total / float64(len(sample))
}
