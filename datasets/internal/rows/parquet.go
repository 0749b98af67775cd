package rows

import (
	"context"

	"github.com/incendio-faas/incendio/datasets/parquet/foreign"
)

// parquet reads the rows of a Parquet file in a process of its own.
func (s *scan) parquet(ctx context.Context) error {
	f, err := foreign.Open(ctx, s.file.Path, foreign.DefaultOptions())
	if err != nil {
		return err
	}
	at, err := s.resolve(f.Names)
	if err != nil {
		return err
	}
	var columns, cell []int // of the file, and where they go
	for i, c := range at {
		if c >= 0 {
			columns, cell = append(columns, c), append(cell, i)
		}
	}
	return f.Read(ctx, columns, func(number int64, cells [][]byte) error {
		s.rows++
		for k, c := range cells {
			s.cells[cell[k]] = c
		}
		return s.row(int(number))
	})
}
