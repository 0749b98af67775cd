package parquet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	// The directory of its own keeps the exclusive creation of the file and leaves
	// the choice of a free name to the operating system.
	dir, err := os.MkdirTemp(filepath.Dir(path), ".write-")
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	staged := filepath.Join(dir, filepath.Base(path))
	err = writeFile(disk{}, staged, columns)
	if err == nil {
		err = os.Rename(staged, path)
	}
	if err == nil {
		err = disk{}.sync(filepath.Dir(path))
	}
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
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
