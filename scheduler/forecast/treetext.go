package forecast

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A textTree is a tree of LightGBM's text format, whose names the comments give.
type textTree struct {
	feature     []int32    // split_feature
	threshold   []float64  // threshold; of a categorical node the number of its set
	decision    []decision // decision_type
	left, right []int32    // left_child, right_child: a node, or ^leaf
	leaf        []float64  // leaf_value
	sets        [][]uint32 // bits of cat_threshold between cat_boundaries
}

// A decision packs how a node decides: bit 0 says that the split is categorical, bit 1
// that missing values go left, bits 2 and 3 hold the missing type.
type decision uint8

func (d decision) categorical() bool { return d&1 != 0 }
func (d decision) defaultLeft() bool { return d&2 != 0 }
func (d decision) missing() uint8    { return uint8(d >> 2 & 3) }

// largestLeaf is far above what a count differs by from its forecast, and far below where sums
// are no numbers any more.
const largestLeaf = 1e15

// readTrees reads the first n trees of the text format.
func readTrees(text string, n int) ([]textTree, error) {
	blocks := strings.Split(text, "\nTree=")[1:]
	if len(blocks) < n {
		return nil, fmt.Errorf("trees are %d, expected %d", len(blocks), n)
	}
	trees := make([]textTree, n)
	for i := range trees {
		if err := trees[i].read(blocks[i]); err != nil {
			return nil, fmt.Errorf("tree %d: %w", i, err)
		}
	}
	return trees, nil
}

// read reads the lines of a tree up to the first empty one and checks that they make a tree.
func (t *textTree) read(block string) error {
	lines := map[string]string{}
	for line := range strings.Lines(block) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		if key, value, ok := strings.Cut(line, "="); ok {
			lines[key] = value
		}
	}
	var err error
	if t.leaf, err = numbers(lines, "leaf_value", float); err != nil {
		return err
	}
	for i, v := range t.leaf {
		if !(math.Abs(v) <= largestLeaf) {
			return fmt.Errorf("leaf %d must be a number of at most %g, got %v", i, largestLeaf, v)
		}
	}
	n := len(t.leaf) - 1
	if n < 0 || lines["num_leaves"] != strconv.Itoa(n+1) {
		return fmt.Errorf("num_leaves is %q, but leaf_value has %d numbers", lines["num_leaves"], n+1)
	}
	if n == 0 {
		return nil
	}
	if t.feature, err = numbers(lines, "split_feature", small[int32](0, math.MaxInt32)); err != nil {
		return err
	}
	if t.threshold, err = numbers(lines, "threshold", float); err != nil {
		return err
	}
	if t.decision, err = numbers(lines, "decision_type", small[decision](0, 15)); err != nil {
		return err
	}
	if t.left, err = numbers(lines, "left_child", small[int32](math.MinInt32, math.MaxInt32)); err != nil {
		return err
	}
	if t.right, err = numbers(lines, "right_child", small[int32](math.MinInt32, math.MaxInt32)); err != nil {
		return err
	}
	if len(t.feature) != n || len(t.threshold) != n || len(t.decision) != n || len(t.left) != n || len(t.right) != n {
		return fmt.Errorf("%d leaves need %d nodes in every line", n+1, n)
	}
	if err := t.readSets(lines); err != nil {
		return err
	}
	for i, d := range t.decision {
		switch v := t.threshold[i]; {
		case d.missing() == 3:
			return fmt.Errorf("node %d: decision_type %d has no missing type", i, d)
		case d.categorical() && !(v >= 0 && v < float64(len(t.sets)) && v == math.Trunc(v)):
			return fmt.Errorf("node %d: threshold must be one of %d sets of categories, got %v", i, len(t.sets), v)
		case v != v:
			return fmt.Errorf("node %d: threshold is not a number", i)
		}
	}
	return t.checkChildren()
}

// readSets reads the sets of the categorical nodes.
func (t *textTree) readSets(lines map[string]string) error {
	if n, ok := lines["num_cat"]; !ok || n == "0" {
		return nil
	}
	bounds, err := numbers(lines, "cat_boundaries", strconv.Atoi)
	if err != nil {
		return err
	}
	words, err := numbers(lines, "cat_threshold", small[uint32](0, math.MaxUint32))
	if err != nil {
		return err
	}
	for i := 1; i < len(bounds); i++ {
		from, to := bounds[i-1], bounds[i]
		if from < 0 || from > to || to > len(words) {
			return fmt.Errorf("cat_boundaries must ascend from 0 to %d, got %d after %d", len(words), to, from)
		}
		t.sets = append(t.sets, words[from:to])
	}
	return nil
}

// checkChildren checks that every node but the root and every leaf is the child of one
// node, which comes before it.
func (t *textTree) checkChildren() error {
	nodes, leaves := make([]bool, len(t.feature)), make([]bool, len(t.leaf))
	for i := range t.feature {
		for _, c := range []int32{t.left[i], t.right[i]} {
			seen, k := nodes, int(c)
			if c < 0 {
				seen, k = leaves, int(^c)
			}
			if k >= len(seen) || seen[k] || c >= 0 && k <= i {
				return fmt.Errorf("node %d: child %d is out of range, used twice or not after its parent", i, c)
			}
			seen[k] = true
		}
	}
	return nil
}

func numbers[T any](lines map[string]string, key string, parse func(string) (T, error)) ([]T, error) {
	value, ok := lines[key]
	if !ok {
		return nil, fmt.Errorf("%s is missing", key)
	}
	var out []T
	for f := range strings.FieldsSeq(value) {
		v, err := parse(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		out = append(out, v)
	}
	return out, nil
}

func float(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

func small[T ~uint8 | ~int32 | ~uint32](least, most int64) func(string) (T, error) {
	return func(s string) (T, error) {
		v, err := strconv.ParseInt(s, 10, 64)
		if err == nil && (v < least || v > most) {
			err = fmt.Errorf("must be in [%d, %d], got %d", least, most, v)
		}
		return T(v), err
	}
}
