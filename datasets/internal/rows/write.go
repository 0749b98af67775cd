package rows

import (
	"strings"

	"github.com/incendio-faas/incendio/datasets"
)

// AppendField appends a field of a CSV file, in quotes where RFC 4180 needs them.
func AppendField(b []byte, field string) []byte {
	if !strings.ContainsAny(field, ",\"\r\n") {
		return append(b, field...)
	}
	b = append(b, '"')
	for i := range len(field) {
		if field[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, field[i])
	}
	return append(b, '"')
}

// KeyHeader begins the header of a file whose rows begin as [AppendKey] writes them.
const KeyHeader = "owner,app,function,trigger"

// AppendKey appends the fields of a row that name its function.
func AppendKey(b []byte, f *datasets.Function) []byte {
	b = append(AppendField(b, f.Owner), ',')
	b = append(AppendField(b, f.App), ',')
	b = append(AppendField(b, f.Name), ',')
	return append(b, f.Trigger...)
}
