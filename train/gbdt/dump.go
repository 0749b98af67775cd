package gbdt

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Dump writes the model for people to read: the columns by the gain of their splits,
// then every tree, a node a line, with what goes left above what goes right. Nothing
// reads it back; see WriteText for that.
func (m *Model) Dump(w io.Writer) error {
	b := bufio.NewWriter(w)
	objective := m.Objective
	if objective == "" {
		objective = "none"
	}
	fmt.Fprintf(b, "objective %s, columns: %d, trees: %d\n\n", objective, len(m.Columns), len(m.Trees))
	splits, gains := m.Importance(BySplit), m.Importance(ByGain)
	order := make([]int, len(m.Columns))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case gains[i] > gains[j]:
			return -1
		case gains[i] < gains[j]:
			return 1
		}
		return 0
	})
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "column\tsplits\tgain\n")
	for _, i := range order {
		if splits[i] > 0 {
			fmt.Fprintf(table, "%s\t%.0f\t%s\n", m.Columns[i], splits[i], short(gains[i]))
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("gbdt: dump model: %w", err)
	}
	for i := range m.Trees {
		fmt.Fprintf(b, "\ntree %d\n", i)
		m.dump(b, &m.Trees[i])
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("gbdt: dump model: %w", err)
	}
	return nil
}

func (m *Model) dump(b *bufio.Writer, t *Tree) {
	type step struct {
		child  int32
		indent string
		branch string
	}
	root := int32(0)
	if len(t.SplitFeature) == 0 {
		root = ^0
	}
	// Trees can be deep, so the walk has a stack of its own.
	for stack := []step{{root, "", ""}}; len(stack) > 0; {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		b.WriteString(s.indent + s.branch)
		if n := ^s.child; n >= 0 {
			fmt.Fprintf(b, "leaf %d: %s (%d rows)\n", n, short(t.LeafValue[n]), t.LeafCount[n])
			continue
		}
		n := s.child
		fmt.Fprintf(b, "%s (gain %s, %d rows)\n", m.question(t, n), short(float64(t.SplitGain[n])), t.InternalCount[n])
		indent := s.indent
		switch s.branch {
		case "":
		case last:
			indent += "   "
		default:
			indent += "│  "
		}
		stack = append(stack, step{t.Right[n], indent, last}, step{t.Left[n], indent, "├─ "})
	}
}

const last = "└─ "

// question is what a node asks: rows for which it holds go left.
func (m *Model) question(t *Tree, n int32) string {
	column, d := m.Columns[t.SplitFeature[n]], t.DecisionType[n]
	if d.Categorical() {
		var set []string
		k := int(t.Threshold[n])
		for i, word := range t.CatThreshold[t.CatBoundaries[k]:t.CatBoundaries[k+1]] {
			for bit := range 32 {
				if word>>bit&1 != 0 {
					set = append(set, strconv.Itoa(32*i+bit))
				}
			}
		}
		return column + " in {" + strings.Join(set, ", ") + "}"
	}
	if math.IsInf(t.Threshold[n], 1) && d.Missing() == MissingNaN && !d.DefaultLeft() {
		return column + " is not missing"
	}
	s := column + " <= " + strconv.FormatFloat(t.Threshold[n], 'g', -1, 64)
	missing := ""
	switch d.Missing() {
	case MissingZero:
		missing = "zero or missing"
	case MissingNaN:
		missing = "missing"
	default:
		return s
	}
	if d.DefaultLeft() {
		return s + " or " + missing
	}
	return s + " and not " + missing
}
