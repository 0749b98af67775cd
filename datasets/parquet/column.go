package parquet

import (
	"fmt"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/schema"
)

// rowGroupRows bounds what a reader has to decode to get at one function or one hour.
const rowGroupRows = 1 << 16

// maxRows bounds what a footer can make a reader allocate.
const maxRows = 1 << 28

// A Column is a named column of a table.
type Column struct {
	Name string

	// Data has one element a row: []int32, []int64, []float64, []bool or []string,
	// or [][]int64 or [][]float64 for lists.
	Data any
}

// Len is the number of rows.
func (c Column) Len() int {
	switch v := c.Data.(type) {
	case []int32:
		return len(v)
	case []int64:
		return len(v)
	case []float64:
		return len(v)
	case []bool:
		return len(v)
	case []string:
		return len(v)
	case [][]int64:
		return len(v)
	case [][]float64:
		return len(v)
	}
	return 0
}

// node is the column's place in the schema of a file. No value is ever missing.
func (c Column) node() (schema.Node, error) {
	req := parquet.Repetitions.Required
	list := func(element *schema.PrimitiveNode) (schema.Node, error) {
		return schema.ListOfWithName(c.Name, element, req, -1)
	}
	switch c.Data.(type) {
	case []int32:
		return schema.NewInt32Node(c.Name, req, -1), nil
	case []int64:
		return schema.NewInt64Node(c.Name, req, -1), nil
	case []float64:
		return schema.NewFloat64Node(c.Name, req, -1), nil
	case []bool:
		return schema.NewBooleanNode(c.Name, req, -1), nil
	case []string:
		return schema.NewPrimitiveNodeLogical(c.Name, req, schema.StringLogicalType{}, parquet.Types.ByteArray, -1, -1)
	case [][]int64:
		return list(schema.NewInt64Node("element", req, -1))
	case [][]float64:
		return list(schema.NewFloat64Node("element", req, -1))
	}
	return nil, fmt.Errorf("a column of %T cannot be stored", c.Data)
}

// rows returns rows [from, to) of c.
func (c Column) rows(from, to int) Column {
	switch v := c.Data.(type) {
	case []int32:
		c.Data = v[from:to]
	case []int64:
		c.Data = v[from:to]
	case []float64:
		c.Data = v[from:to]
	case []bool:
		c.Data = v[from:to]
	case []string:
		c.Data = v[from:to]
	case [][]int64:
		c.Data = v[from:to]
	case [][]float64:
		c.Data = v[from:to]
	}
	return c
}
