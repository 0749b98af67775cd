package rows_test

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/incendio-faas/incendio/datasets"
	"github.com/incendio-faas/incendio/datasets/internal/rows"
	"github.com/incendio-faas/incendio/datasets/parquet"
)

var three = []rows.Column{{Name: "function"}, {Name: "minute"}, {Name: "count"}}

// BenchmarkScan splits 200,000 rows of counts into cells, and encoding/csv does so.
func BenchmarkScan(b *testing.B) {
	const n = 200_000
	var plain, quoted, objects strings.Builder
	plain.WriteString("function,minute,count\n")
	quoted.WriteString("function,minute,count\n")
	functions, minutes, counts := make([]string, n), make([]int32, n), make([]int64, n)
	for i := range n {
		f, m, c := fmt.Sprintf("%032x", i/1440), i%1440, i%97
		functions[i], minutes[i], counts[i] = f, int32(m), int64(c)
		fmt.Fprintf(&plain, "%s,%d,%d\n", f, m, c)
		fmt.Fprintf(&quoted, "\"%s\",\"%d\",\"%d\"\n", f, m, c)
		fmt.Fprintf(&objects, "{\"function\":\"%s\",\"minute\":%d,\"count\":%d}\n", f, m, c)
	}
	table := filepath.Join(b.TempDir(), "t.parquet")
	if err := parquet.WriteTable(table, []parquet.Column{{Name: "function", Data: functions}, {Name: "minute", Data: minutes}, {Name: "count", Data: counts}}); err != nil {
		b.Fatal(err)
	}
	files := map[string]string{"csv": plain.String(), "quoted": quoted.String(), "json": objects.String()}
	for _, name := range []string{"csv", "quoted", "json", "parquet"} {
		f, size := rows.File{}, int64(len(files["csv"])) // of Parquet, what its rows have as CSV
		if name == "parquet" {
			found, _, err := rows.Find(table)
			if err != nil {
				b.Fatal(err)
			}
			f = found[0]
		} else {
			f, size = write(b, "f", files[name]), int64(len(files[name]))
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				found, err := f.Scan(context.Background(), three, nil, rows.Handler{
					Begin:  func([]bool) error { return nil },
					Row:    func(int, [][]byte) (rows.Fault, error) { return rows.Fault{}, nil },
					Reject: func(_ string, e *datasets.SyntaxError) error { return e },
				})
				if err != nil || found.Rows != n {
					b.Fatalf("%d rows, error %v", found.Rows, err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
		if name != "csv" && name != "quoted" {
			continue
		}
		b.Run(name+"-encoding/csv", func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				in, err := os.Open(f.Path)
				if err != nil {
					b.Fatal(err)
				}
				r := csv.NewReader(in)
				r.ReuseRecord = true
				for {
					if _, err := r.Read(); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
				in.Close()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}
