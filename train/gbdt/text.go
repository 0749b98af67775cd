package gbdt

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// WriteText writes the model in LightGBM's text format, version v3: LightGBM ignores
// the version line and github.com/dmitryikh/leaves refuses v4, which is otherwise the
// same. There is no parameters block. The bytes depend on the model only.
func (m *Model) WriteText(w io.Writer) error {
	trees := make([]string, len(m.Trees))
	sizes := make([]int, len(m.Trees))
	for i := range m.Trees {
		trees[i] = "Tree=" + strconv.Itoa(i) + "\n" + m.Trees[i].text() + "\n\n"
		sizes[i] = len(trees[i])
	}
	infos := make([]string, len(m.Infos))
	for i, c := range m.Infos {
		infos[i] = c.text()
	}
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "tree\nversion=v3\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=%d\nmax_feature_idx=%d\n", m.LabelIndex, len(m.Columns)-1)
	if m.Objective != "" {
		fmt.Fprintf(b, "objective=%s\n", m.Objective)
	}
	fmt.Fprintf(b, "feature_names=%s\nfeature_infos=%s\ntree_sizes=%s\n\n", strings.Join(m.Columns, " "), strings.Join(infos, " "), join(sizes, strconv.Itoa))
	for _, t := range trees {
		b.WriteString(t)
	}
	b.WriteString("end of trees\n\nfeature_importances:\n")
	importance := m.Importance(BySplit)
	order := make([]int, 0, len(importance))
	for i, v := range importance {
		if v > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return int(importance[j] - importance[i]) })
	for _, i := range order {
		fmt.Fprintf(b, "%s=%d\n", m.Columns[i], int(importance[i]))
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("gbdt: write model: %w", err)
	}
	return nil
}

func (c ColumnInfo) text() string {
	switch c.Kind {
	case Numerical:
		return "[" + exact(c.Min) + ":" + exact(c.Max) + "]"
	case Categorical:
		s := make([]string, len(c.Categories))
		for i, v := range c.Categories {
			s[i] = strconv.Itoa(v)
		}
		return strings.Join(s, ":")
	}
	return "none"
}

// text returns the lines of the tree below "Tree=".
func (t *Tree) text() string {
	var b strings.Builder
	line := func(key, value string) {
		b.WriteString(key)
		b.WriteByte('=')
		b.WriteString(value)
		b.WriteByte('\n')
	}
	number := func(v int32) string { return strconv.Itoa(int(v)) }
	line("num_leaves", strconv.Itoa(t.NumLeaves()))
	line("num_cat", strconv.Itoa(max(0, len(t.CatBoundaries)-1)))
	line("split_feature", join(t.SplitFeature, number))
	line("split_gain", join(t.SplitGain, func(v float32) string { return short(float64(v)) }))
	line("threshold", join(t.Threshold, exact))
	line("decision_type", join(t.DecisionType, func(d DecisionType) string { return strconv.Itoa(int(d)) }))
	line("left_child", join(t.Left, number))
	line("right_child", join(t.Right, number))
	line("leaf_value", join(t.LeafValue, exact))
	line("leaf_weight", join(t.LeafWeight, exact))
	line("leaf_count", join(t.LeafCount, strconv.Itoa))
	line("internal_value", join(t.InternalValue, short))
	line("internal_weight", join(t.InternalWeight, short))
	line("internal_count", join(t.InternalCount, strconv.Itoa))
	if len(t.CatBoundaries) > 0 {
		line("cat_boundaries", join(t.CatBoundaries, number))
		line("cat_threshold", join(t.CatThreshold, func(w uint32) string { return strconv.FormatUint(uint64(w), 10) }))
	}
	line("is_linear", "0")
	line("shrinkage", short(t.Shrinkage))
	return b.String()
}

func join[T any](s []T, text func(T) string) string {
	var b strings.Builder
	for i, v := range s {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(text(v))
	}
	return b.String()
}

// exact is C's %.17g, which reads back as the same float64.
func exact(v float64) string {
	if math.IsInf(v, 1) {
		return "inf"
	}
	return strconv.FormatFloat(v, 'g', 17, 64)
}

// short is C's %g.
func short(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
