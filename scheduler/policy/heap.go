package policy

// push and pop keep q a binary heap whose first element comes before all others.

func push[T interface{ Before(T) bool }](q []T, e T) []T {
	q = append(q, e)
	for i := len(q) - 1; i > 0; {
		up := (i - 1) / 2
		if !q[i].Before(q[up]) {
			break
		}
		q[i], q[up] = q[up], q[i]
		i = up
	}
	return q
}

func pop[T interface{ Before(T) bool }](q []T) (T, []T) {
	top, last := q[0], len(q)-1
	q[0] = q[last]
	q = q[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c >= last {
			break
		}
		if c+1 < last && q[c+1].Before(q[c]) {
			c++
		}
		if !q[c].Before(q[i]) {
			break
		}
		q[i], q[c] = q[c], q[i]
		i = c
	}
	return top, q
}
