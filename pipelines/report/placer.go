package report

import (
	"math"

	"gonum.org/v1/plot/vg"
)

// A placer finds room for labels beside points.
type placer struct {
	bounds vg.Rectangle
	points []vg.Point
	boxes  []vg.Rectangle
}

// label returns a box for a text of the given size near at, and whether it is so far
// from the point that a line must join them. Of the places around the point, nearest
// first, it takes the first that covers nothing, or the one that covers least.
func (pl *placer) label(at, size vg.Point) (box vg.Rectangle, far bool) {
	least := vg.Length(math.Inf(1))
	for ring := range 6 {
		for _, side := range sides {
			b := beside(at, size, side, 9+13*vg.Length(ring))
			if c := pl.covers(b); c < least {
				box, far, least = b, ring > 0, c
			}
			if least == 0 {
				pl.boxes = append(pl.boxes, box)
				return box, far
			}
		}
	}
	pl.boxes = append(pl.boxes, box)
	return box, far
}

// sides of a point that a label can be on.
var sides = [][2]vg.Length{{1, 0}, {-1, 0}, {0, 1}, {0, -1}, {1, 1}, {1, -1}, {-1, 1}, {-1, -1}}

// beside is the box of a label on a side of at, with a gap between them.
func beside(at, size vg.Point, side [2]vg.Length, gap vg.Length) vg.Rectangle {
	lower := vg.Point{X: at.X - size.X/2 + side[0]*(gap+size.X/2), Y: at.Y - size.Y/2 + side[1]*gap}
	return vg.Rectangle{Min: lower, Max: lower.Add(size)}
}

// covers measures what a box would hide: labels, points and what is out of bounds.
func (pl *placer) covers(b vg.Rectangle) vg.Length {
	var sum vg.Length
	for _, o := range pl.boxes {
		w := min(b.Max.X, o.Max.X) - max(b.Min.X, o.Min.X) + 4
		h := min(b.Max.Y, o.Max.Y) - max(b.Min.Y, o.Min.Y) + 2
		if w > 0 && h > 0 {
			sum += w * h
		}
	}
	for _, p := range pl.points {
		if p.X > b.Min.X-6 && p.X < b.Max.X+6 && p.Y > b.Min.Y-5 && p.Y < b.Max.Y+5 {
			sum += 100
		}
	}
	out := max(0, pl.bounds.Min.X-b.Min.X) + max(0, b.Max.X-pl.bounds.Max.X) + max(0, pl.bounds.Min.Y-b.Min.Y) + max(0, b.Max.Y-pl.bounds.Max.Y)
	return sum + 1000*out
}
