package cluster_test

import (
	"context"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/incendio-faas/incendio/internal/seed"
	"github.com/incendio-faas/incendio/train/cluster"
)

// blobs draws n points around each centre, with standard deviation sigma.
func blobs(centres [][]float64, n []int, sigma float64) ([][]float64, []int) {
	rng := seed.Stream(3, "blobs")
	var points [][]float64
	var of []int
	for i := 0; len(of) < sum(n); i++ {
		for c, centre := range centres {
			if i >= n[c] {
				continue
			}
			p := make([]float64, len(centre))
			for j := range p {
				p[j] = centre[j] + sigma*rng.NormFloat64()
			}
			points, of = append(points, p), append(of, c)
		}
	}
	return points, of
}

func sum(n []int) (total int) {
	for _, v := range n {
		total += v
	}
	return total
}

func options(from, to int) cluster.Options {
	o := cluster.DefaultOptions()
	o.MinClusters, o.MaxClusters = from, to
	return o
}

func TestFindsTheBlobs(t *testing.T) {
	centres := [][]float64{{0, 0}, {10, 0}, {0, 10}, {10, 10}, {5, 20}}
	points, of := blobs(centres, []int{60, 50, 40, 30, 20}, 0.5)
	r, err := cluster.KMeans(context.Background(), points, options(2, 9))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Centroids) != len(centres) {
		t.Fatalf("%d clusters, want %d", len(r.Centroids), len(centres))
	}
	for i, c := range of {
		if r.Assignment[i] != c { // in order of size
			t.Fatalf("point %d is in cluster %d, want %d", i, r.Assignment[i], c)
		}
	}
	if want := []int{60, 50, 40, 30, 20}; !reflect.DeepEqual(r.Size, want) {
		t.Errorf("sizes %v, want %v", r.Size, want)
	}
	if r.Silhouette < 0.8 || r.Silhouette > 1 {
		t.Errorf("silhouette %v of blobs ten apart with sigma 0.5, want [0.8, 1]", r.Silhouette)
	}
}

func TestKnownSilhouetteAndInertia(t *testing.T) {
	points := [][]float64{{0}, {1}, {10}, {12}}
	o := options(2, 2)
	o.MinShare = 0
	r, err := cluster.KMeans(context.Background(), points, o)
	if err != nil {
		t.Fatal(err)
	}
	if want := 0.5 + 2.0; r.Inertia != want {
		t.Errorf("inertia %v, want %v", r.Inertia, want)
	}
	// By hand: a, b of each point.
	want := ((11.0-1)/11 + (10.0-1)/10 + (9.5-2)/9.5 + (11.5-2)/11.5) / 4
	if math.Abs(r.Silhouette-want) > 1e-12 {
		t.Errorf("silhouette %v, want %v", r.Silhouette, want)
	}
	if got, want := r.Radius(points, 0.99), []float64{0.5, 1}; !reflect.DeepEqual(got, want) {
		t.Errorf("radii %v, want %v", got, want)
	}
}

func TestSmallClustersAreDissolved(t *testing.T) {
	points, _ := blobs([][]float64{{0, 0}, {10, 0}, {100, 100}}, []int{50, 48, 2}, 0.5)
	r, err := cluster.KMeans(context.Background(), points, options(3, 3))
	if err != nil {
		t.Fatal(err)
	}
	for c, n := range r.Size {
		if n < 5 {
			t.Errorf("cluster %d has %d of 100 points, want at least 5", c, n)
		}
	}
}

func TestSameForAnyNumberOfWorkers(t *testing.T) {
	points, _ := blobs([][]float64{{0, 0}, {2, 0}, {0, 2}}, []int{100, 90, 80}, 1)
	var want *cluster.Result
	for _, workers := range []int{1, 2, 7} {
		o := options(2, 8)
		o.Workers = workers
		r, err := cluster.KMeans(context.Background(), points, o)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = r
		} else if !reflect.DeepEqual(r, want) {
			t.Fatalf("%d workers give another result", workers)
		}
	}
}

func TestIdenticalPointsAreOneCluster(t *testing.T) {
	points := [][]float64{{1, 2}, {1, 2}, {1, 2}, {1, 2}, {1, 2}}
	r, err := cluster.KMeans(context.Background(), points, options(2, 4))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Centroids) != 1 || r.Inertia != 0 || r.Silhouette != 0 {
		t.Errorf("got %+v, want one cluster without inertia", r)
	}
}

func TestResultIsAPartitionIntoNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		d := rapid.IntRange(1, 3).Draw(t, "d")
		points := make([][]float64, n)
		for i := range points {
			points[i] = rapid.SliceOfN(rapid.Float64Range(-100, 100), d, d).Draw(t, "point")
		}
		r, err := cluster.KMeans(context.Background(), points, options(1, 6))
		if err != nil {
			t.Fatal(err)
		}
		size := make([]int, len(r.Centroids))
		for i, p := range points {
			c, _ := cluster.Nearest(r.Centroids, p)
			if c != r.Assignment[i] {
				t.Fatalf("point %d is in %d, nearest is %d", i, r.Assignment[i], c)
			}
			size[c]++
		}
		if !reflect.DeepEqual(size, r.Size) {
			t.Fatalf("sizes %v, counted %v", r.Size, size)
		}
		if r.Silhouette < -1 || r.Silhouette > 1 {
			t.Fatalf("silhouette %v", r.Silhouette)
		}
	})
}

func TestErrors(t *testing.T) {
	ctx := context.Background()
	for name, points := range map[string][][]float64{
		"none": nil, "ragged": {{1, 2}, {1}}, "nan": {{1}, {math.NaN()}}, "inf": {{math.Inf(1)}},
	} {
		if _, err := cluster.KMeans(ctx, points, cluster.DefaultOptions()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := cluster.KMeans(ctx, [][]float64{{1}}, options(3, 2)); err == nil {
		t.Error("max_clusters < min_clusters: no error")
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := cluster.KMeans(done, [][]float64{{1}, {2}}, cluster.DefaultOptions()); err == nil {
		t.Error("cancelled: no error")
	}
}

func TestScaler(t *testing.T) {
	points := [][]float64{{1, 5, 0.1}, {3, 5, 0.1}, {5, 5, 0.1}}
	s, err := cluster.FitScaler(points)
	if err != nil {
		t.Fatal(err)
	}
	z := s.ApplyAll(points)
	want := math.Sqrt(1.5) // 2 / sqrt(8/3)
	if math.Abs(z[2][0]-want) > 1e-12 || z[1][1] != 0 || math.Abs(z[0][2]) > 1e-9 {
		t.Errorf("standardised %v", z)
	}
}
