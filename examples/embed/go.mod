module github.com/incendio-faas/incendio/examples/embed

go 1.26.0

require github.com/incendio-faas/incendio v0.0.0

require (
	github.com/dmitryikh/leaves v0.0.0-20230708180554-25d19a787328 // indirect
	gonum.org/v1/gonum v0.17.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/incendio-faas/incendio => ../..
