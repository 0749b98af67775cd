package parquet

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/incendio-faas/incendio/internal/whole"
)

// WriteTable writes columns of equal length as the Parquet file path, in place of
// a file that is there. It appears as a whole or not at all; equal columns give
// equal bytes.
func WriteTable(path string, columns []Column) error {
	seen := map[string]bool{}
	for _, c := range columns {
		if c.Name == "" || seen[c.Name] {
			return fmt.Errorf("write %s: column %q: names must be unique and not empty", path, c.Name)
		}
		seen[c.Name] = true
	}
	staged, err := whole.Begin(path)
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	err = writeFile(disk{}, staged.Path, columns)
	if err == nil {
		err = staged.Commit()
	}
	if err == nil {
		err = disk{}.sync(filepath.Dir(path))
	}
	if err = errors.Join(err, staged.Abandon()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// ReadTable reads the columns of a file that this package wrote, in their order.
func ReadTable(path string) ([]Column, error) {
	columns, err := readFile(path, nil, maxRows)
	if err != nil {
		return nil, fmt.Errorf("read table: %w", err)
	}
	return columns, nil
}
