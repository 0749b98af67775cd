package sample

// distance is the distance of order 1 between the distributions of two samples in ascending
// order, neither empty: the area between their cumulative distributions, in the unit of the
// values. It is what would have to be moved how far to make one of the other (Villani, Optimal
// Transport, 2009, eq. 2.48 in one dimension).
func distance(a, b []float64) float64 {
	i, j := 0, 0
	area, at := 0.0, 0.0
	for i < len(a) || j < len(b) {
		var next float64
		if j == len(b) || i < len(a) && a[i] <= b[j] {
			next = a[i]
		} else {
			next = b[j]
		}
		if i+j > 0 {
			gap := float64(i)/float64(len(a)) - float64(j)/float64(len(b))
			area += max(gap, -gap) * (next - at)
		}
		at = next
		for i < len(a) && a[i] == next {
			i++
		}
		for j < len(b) && b[j] == next {
			j++
		}
	}
	return area
}
