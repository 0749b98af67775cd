package main

import (
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"reflect"
	"strings"

	module "github.com/incendio-faas/incendio"
)

// meanings returns what each key under a struct of options means, in the words of the
// comments of its fields: the sources of the module are part of the program, so that what a
// developer reads and what a user is told cannot differ.
func meanings(options reflect.Type) (map[string]string, error) {
	d := commentReader{comments: map[string]map[string]string{}, out: map[string]string{}}
	return d.out, d.add("", options)
}

// A commentReader walks the structs of a configuration.
type commentReader struct {
	comments map[string]map[string]string // of a package, by "Type.Field"
	out      map[string]string
}

func (d *commentReader) add(prefix string, t reflect.Type) error {
	comments, err := d.of(t.PkgPath())
	if err != nil {
		return err
	}
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		d.out[prefix+name] = comments[t.Name()+"."+field.Name]
		if field.Type.Kind() == reflect.Struct {
			if err := d.add(prefix+name+".", field.Type); err != nil {
				return err
			}
		}
	}
	return nil
}

// of returns the comments of the fields of the structs of a package of the module.
func (d *commentReader) of(pkg string) (map[string]string, error) {
	if out, ok := d.comments[pkg]; ok {
		return out, nil
	}
	dir := strings.TrimPrefix(pkg, module.Module+"/")
	files, err := fs.Glob(module.Sources, path.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("sources of %s: %d files, %w", pkg, len(files), err)
	}
	out := map[string]string{}
	set := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		data, err := module.Sources.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(set, name, data, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			types, ok := decl.(*ast.GenDecl)
			if !ok || types.Tok != token.TYPE {
				continue
			}
			for _, spec := range types.Specs {
				spec := spec.(*ast.TypeSpec)
				if s, ok := spec.Type.(*ast.StructType); ok {
					fieldComments(out, set, spec.Name.Name, s)
				}
			}
		}
	}
	d.comments[pkg] = out
	return out, nil
}

// fieldComments adds the comments of the fields of a struct, as text. One comment may be about
// several fields: those on the lines right below it that have none.
func fieldComments(out map[string]string, set *token.FileSet, name string, s *ast.StructType) {
	text, last := "", 0
	for _, f := range s.Fields.List {
		switch {
		case f.Doc != nil:
			text = f.Doc.Text()
		case f.Comment != nil:
			text = f.Comment.Text()
		case set.Position(f.Pos()).Line != last+1:
			text = ""
		}
		last = set.Position(f.End()).Line
		for _, n := range f.Names {
			out[name+"."+n.Name] = plain(text)
		}
	}
}

// plain is a doc comment as text without markup.
func plain(text string) string {
	var p comment.Parser
	var w comment.Printer
	w.TextWidth = -1
	return strings.TrimSpace(string(w.Text(p.Parse(text))))
}
