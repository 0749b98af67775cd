package gbdt

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// A SyntaxError says where a model text is wrong.
type SyntaxError struct {
	Line int // from 1; one past the last when the text ends too early
	Msg  string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("gbdt: model text, line %d: %s", e.Line, e.Msg)
}

// ReadText reads a model in LightGBM's text format, versions v2 to v4 (3 and 4 differ
// in the version line only), for one score per row: no multiclass, linear trees or
// random forests. If there are tree_sizes they must be right: that finds lost bytes.
// What follows "end of trees" is ignored. An error is a *SyntaxError unless reading
// itself went wrong.
func ReadText(r io.Reader) (*Model, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("gbdt: read model: %w", err)
	}
	p := &parser{lines: strings.Split(string(text), "\n")}
	m, err := p.model()
	if err != nil {
		return nil, err
	}
	return m, nil
}

// A parser walks over the lines of a model text.
type parser struct {
	lines []string
	at    int // next line, from 0
}

// A section is a run of key=value lines.
type section struct {
	start  int // line of its first, from 1
	values map[string]string
	lines  map[string]int
}

func syntax(line int, format string, args ...any) error {
	return &SyntaxError{line, fmt.Sprintf(format, args...)}
}

func (p *parser) line() string { return strings.TrimRight(p.lines[p.at], "\r") }

// section reads lines up to, not including, one that stop accepts.
func (p *parser) section(stop func(line string) bool) (section, error) {
	s := section{start: p.at + 1, values: map[string]string{}, lines: map[string]int{}}
	for ; p.at < len(p.lines); p.at++ {
		line := p.line()
		if stop(line) {
			return s, nil
		}
		if line == "" {
			continue
		}
		// A word alone is a flag, such as average_output.
		key, value, _ := strings.Cut(line, "=")
		if _, ok := s.values[key]; ok {
			return s, syntax(p.at+1, "key %q appears twice, first on line %d", key, s.lines[key])
		}
		s.values[key], s.lines[key] = value, p.at+1
	}
	return s, syntax(len(p.lines)+1, `the text ends before "end of trees"`)
}

func (s *section) need(key string) (string, error) {
	v, ok := s.values[key]
	if !ok {
		return "", syntax(s.start, "the section that begins here must have the key %q", key)
	}
	return v, nil
}

// is checks that key has the value want, if it is there.
func (s *section) is(key, want, why string) error {
	if v, ok := s.values[key]; ok && v != want {
		return syntax(s.lines[key], "%s must be %s, got %q: %s", key, want, v, why)
	}
	return nil
}

func (s *section) integer(key string) (int, error) {
	v, err := s.need(key)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, syntax(s.lines[key], "%s must be an integer, got %q", key, v)
	}
	return n, nil
}

// list parses the n values of key; an optional key that is missing or empty gives n zeros.
func list[T any](s *section, key string, n int, optional bool, parse func(string) (T, error)) ([]T, error) {
	v, ok := s.values[key]
	if optional && strings.TrimSpace(v) == "" {
		return make([]T, n), nil
	}
	if !ok {
		_, err := s.need(key)
		return nil, err
	}
	fields := strings.Fields(v)
	if len(fields) != n {
		return nil, syntax(s.lines[key], "%s must have %d values, got %d", key, n, len(fields))
	}
	out := make([]T, n)
	for i, f := range fields {
		x, err := parse(f)
		if err != nil {
			return nil, syntax(s.lines[key], "%s, value %d: %v", key, i+1, err)
		}
		out[i] = x
	}
	return out, nil
}

func parseFloat(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !finite(v) {
		return 0, fmt.Errorf("must be a finite number, got %q", s)
	}
	return v, nil
}

// parseThreshold is parseFloat for a value that is infinite where a split separates the
// missing values from all others.
func parseThreshold(s string) (float64, error) {
	if s == "inf" {
		return math.Inf(1), nil
	}
	return parseFloat(s)
}

func parseFloat32(s string) (float32, error) {
	v, err := parseFloat(s)
	return float32(v), err
}

func parseInt32(s string) (int32, error) {
	v, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("must be a 32-bit integer, got %q", s)
	}
	return int32(v), nil
}

func parseInt(s string) (int, error) {
	v, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("must be an integer, got %q", s)
	}
	return v, nil
}

func parseWord(s string) (uint32, error) {
	v, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("must be an unsigned 32-bit integer, got %q", s)
	}
	return uint32(v), nil
}

func parseDecision(s string) (DecisionType, error) {
	v, err := strconv.Atoi(s)
	if err != nil || v < 0 || v > 15 || v>>2 == 3 {
		return 0, fmt.Errorf("must be a decision type in [0, 11], got %q", s)
	}
	return DecisionType(v), nil
}

const (
	treePrefix = "Tree="
	treesEnd   = "end of trees"
)

func treeOrEnd(line string) bool {
	return strings.HasPrefix(line, treePrefix) || line == treesEnd
}

func (p *parser) model() (*Model, error) {
	if p.line() != "tree" {
		return nil, syntax(1, `must be "tree", got %q`, clip(p.line()))
	}
	p.at++
	head, err := p.section(treeOrEnd)
	if err != nil {
		return nil, err
	}
	switch v := head.values["version"]; v {
	case "v2", "v3", "v4", "":
	default:
		return nil, syntax(head.lines["version"], "version must be v2, v3 or v4, got %q", clip(v))
	}
	if _, ok := head.values["average_output"]; ok {
		return nil, syntax(head.lines["average_output"], "random forests, whose trees are averaged, are not supported")
	}
	for _, key := range []string{"num_class", "num_tree_per_iteration"} {
		if err := head.is(key, "1", "only models of one score per row are supported"); err != nil {
			return nil, err
		}
	}
	m := &Model{Objective: head.values["objective"]}
	if _, _, err := parseLink(m.Objective); err != nil {
		return nil, syntax(head.lines["objective"], "%v", err)
	}
	last, err := head.integer("max_feature_idx")
	if err != nil {
		return nil, err
	}
	names, err := head.need("feature_names")
	if err != nil {
		return nil, err
	}
	m.Columns = strings.Fields(names)
	if len(m.Columns)-1 != last {
		return nil, syntax(head.lines["feature_names"], "feature_names must have max_feature_idx+1 = %d names, got %d", last+1, len(m.Columns))
	}
	if err := checkColumns(m.Columns); err != nil {
		return nil, syntax(head.lines["feature_names"], "%v", err)
	}
	m.Infos, err = list(&head, "feature_infos", len(m.Columns), true, parseInfo)
	if err != nil {
		return nil, err
	}
	if _, ok := head.values["label_index"]; ok {
		if m.LabelIndex, err = head.integer("label_index"); err != nil {
			return nil, err
		}
		if m.LabelIndex < 0 || m.LabelIndex > len(m.Columns) {
			return nil, syntax(head.lines["label_index"], "label_index must be in [0, %d], got %d", len(m.Columns), m.LabelIndex)
		}
	}
	sizes, err := list(&head, "tree_sizes", len(strings.Fields(head.values["tree_sizes"])), true, parseInt)
	if err != nil {
		return nil, err
	}
	for p.line() != treesEnd {
		start := p.at
		if got, want := p.line(), treePrefix+strconv.Itoa(len(m.Trees)); got != want {
			return nil, syntax(p.at+1, "must be %q, got %q", want, clip(got))
		}
		p.at++
		s, err := p.section(treeOrEnd)
		if err != nil {
			return nil, err
		}
		t, err := s.tree(len(m.Columns))
		if err != nil {
			return nil, err
		}
		if i := len(m.Trees); i < len(sizes) {
			if n := p.bytes(start, p.at); n != sizes[i] {
				return nil, syntax(start+1, "tree %d has %d bytes, but %d by tree_sizes: the text is damaged or was edited; without the line tree_sizes it is read as it is", i, n, sizes[i])
			}
		}
		m.Trees = append(m.Trees, t)
	}
	if _, ok := head.values["tree_sizes"]; ok && len(sizes) != len(m.Trees) {
		return nil, syntax(head.lines["tree_sizes"], "tree_sizes has %d values, but there are %d trees", len(sizes), len(m.Trees))
	}
	return m, nil
}

// bytes is the length of the lines [from, to). A carriage return at the end of one, which
// another system may have put there, does not count.
func (p *parser) bytes(from, to int) int {
	n := 0
	for _, line := range p.lines[from:to] {
		n += len(strings.TrimRight(line, "\r")) + 1
	}
	return n
}

// clip shortens what an error quotes.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

func parseInfo(s string) (ColumnInfo, error) {
	if s == "none" {
		return ColumnInfo{}, nil
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		low, high, ok := strings.Cut(strings.TrimSuffix(inner, "]"), ":")
		if !ok || !strings.HasSuffix(inner, "]") {
			return ColumnInfo{}, fmt.Errorf("must be [min:max], got %q", clip(s))
		}
		c := ColumnInfo{Kind: Numerical}
		var err error
		if c.Min, err = parseFloat(low); err != nil {
			return ColumnInfo{}, err
		}
		if c.Max, err = parseFloat(high); err != nil {
			return ColumnInfo{}, err
		}
		return c, nil
	}
	c := ColumnInfo{Kind: Categorical}
	for f := range strings.SplitSeq(s, ":") {
		v, err := parseInt(f)
		if err != nil {
			return ColumnInfo{}, err
		}
		c.Categories = append(c.Categories, v)
	}
	return c, nil
}

// tree parses a tree of a model with the given number of columns.
func (s *section) tree(columns int) (Tree, error) {
	var t Tree
	if err := s.is("is_linear", "0", "linear trees are not supported"); err != nil {
		return t, err
	}
	leaves, err := s.integer("num_leaves")
	if err != nil {
		return t, err
	}
	if leaves < 1 {
		return t, syntax(s.lines["num_leaves"], "num_leaves must be at least 1, got %d", leaves)
	}
	// The length of leaf_value bounds num_leaves by the size of the text before
	// anything of that length is made.
	if t.LeafValue, err = list(s, "leaf_value", leaves, false, parseFloat); err != nil {
		return t, err
	}
	if t.LeafWeight, err = list(s, "leaf_weight", leaves, true, parseFloat); err != nil {
		return t, err
	}
	if t.LeafCount, err = list(s, "leaf_count", leaves, true, parseInt); err != nil {
		return t, err
	}
	t.Shrinkage = 1
	if v, ok := s.values["shrinkage"]; ok {
		if t.Shrinkage, err = parseFloat(v); err != nil {
			return t, syntax(s.lines["shrinkage"], "shrinkage %v", err)
		}
	}
	if leaves == 1 {
		return t, nil
	}
	nodes := leaves - 1
	if t.SplitFeature, err = list(s, "split_feature", nodes, false, parseInt32); err != nil {
		return t, err
	}
	for i, f := range t.SplitFeature {
		if f < 0 || int(f) >= columns {
			return t, syntax(s.lines["split_feature"], "split_feature, value %d: must be in [0, %d), got %d", i+1, columns, f)
		}
	}
	if t.SplitGain, err = list(s, "split_gain", nodes, true, parseFloat32); err != nil {
		return t, err
	}
	if t.Threshold, err = list(s, "threshold", nodes, false, parseThreshold); err != nil {
		return t, err
	}
	if t.DecisionType, err = list(s, "decision_type", nodes, false, parseDecision); err != nil {
		return t, err
	}
	if t.Left, err = list(s, "left_child", nodes, false, parseInt32); err != nil {
		return t, err
	}
	if t.Right, err = list(s, "right_child", nodes, false, parseInt32); err != nil {
		return t, err
	}
	if t.InternalValue, err = list(s, "internal_value", nodes, true, parseFloat); err != nil {
		return t, err
	}
	if t.InternalWeight, err = list(s, "internal_weight", nodes, true, parseFloat); err != nil {
		return t, err
	}
	if t.InternalCount, err = list(s, "internal_count", nodes, true, parseInt); err != nil {
		return t, err
	}
	if err := s.categories(&t); err != nil {
		return t, err
	}
	return t, s.shape(&t)
}

// categories parses the sets of the categorical nodes of t.
func (s *section) categories(t *Tree) error {
	sets, err := s.integer("num_cat")
	if err != nil {
		return err
	}
	if sets < 0 || sets > len(t.SplitFeature) {
		return syntax(s.lines["num_cat"], "num_cat must be in [0, %d], got %d", len(t.SplitFeature), sets)
	}
	if sets > 0 {
		if t.CatBoundaries, err = list(s, "cat_boundaries", sets+1, false, parseInt32); err != nil {
			return err
		}
		words := len(strings.Fields(s.values["cat_threshold"]))
		if t.CatThreshold, err = list(s, "cat_threshold", words, false, parseWord); err != nil {
			return err
		}
		from := int32(0)
		for i, b := range t.CatBoundaries {
			if b < from || (i == 0 && b != 0) || int(b) > words {
				return syntax(s.lines["cat_boundaries"], "cat_boundaries must ascend from 0 to at most the %d words of cat_threshold, got %d as value %d", words, b, i+1)
			}
			from = b
		}
	}
	for i, d := range t.DecisionType {
		if k := t.Threshold[i]; d.Categorical() && !(k >= 0 && k < float64(sets)) {
			return syntax(s.lines["threshold"], "threshold, value %d: must be in [0, num_cat = %d) at a categorical split, got %v", i+1, sets, k)
		}
	}
	return nil
}

// shape checks that the children of t make one tree: no node but the root is without
// a parent, and no node or leaf has two.
func (s *section) shape(t *Tree) error {
	nodes, leaves := make([]bool, len(t.Left)), make([]bool, len(t.LeafValue))
	nodes[0] = true
	for i := range t.Left {
		for _, side := range []struct {
			key   string
			child int32
		}{{"left_child", t.Left[i]}, {"right_child", t.Right[i]}} {
			seen, at := nodes, int(side.child)
			if side.child < 0 {
				seen, at = leaves, int(^side.child)
			}
			if at >= len(seen) {
				return syntax(s.lines[side.key], "%s, value %d: no such node or leaf: %d", side.key, i+1, side.child)
			}
			if seen[at] {
				return syntax(s.lines[side.key], "%s, value %d: node or leaf %d has another parent or is the root", side.key, i+1, side.child)
			}
			seen[at] = true
		}
	}
	// Every node but the root has one parent; a cycle apart from the root is still
	// possible, so count what the root reaches.
	reached := 0
	for stack := []int32{0}; len(stack) > 0; {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		reached++
		for _, c := range []int32{t.Left[n], t.Right[n]} {
			if c >= 0 {
				stack = append(stack, c)
			}
		}
	}
	if reached != len(t.Left) {
		return syntax(s.lines["left_child"], "%d of %d nodes can not be reached from the root", len(t.Left)-reached, len(t.Left))
	}
	return nil
}
