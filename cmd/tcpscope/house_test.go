package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/tcpscope/tcpscope/"
	root   = "../.."
)

// rooms is the import map: what each room may import of ours. A room that is
// not listed does not exist.
func rooms() map[string][]string {
	const everything = "..."
	probes := []string{"probe", "probe/link", "probe/finding", "probe/flow", "probe/endpoint", "probe/rtt", "probe/trace", "rawsock/wire"}
	return map[string][]string{
		"cmd/tcpscope":         {everything},
		"cmd/tcp-upper-server": nil,
		"cmd/tcp-upper-client": nil,
		"report":               {"probe/finding", "probe/flow", "rawsock/wire"},
		"probe":                {"probe/link", "probe/finding", "rawsock/wire"},
		"probe/link":           {"rawsock/wire"},
		"probe/finding":        nil,
		"probe/flow":           {"rawsock/wire", "probe/finding"},
		"probe/endpoint":       {"probe/link", "probe/flow", "rawsock/wire"},
		"probe/rtt":            {"probe", "probe/link", "probe/endpoint", "probe/finding", "rawsock/wire"},
		"probe/trace":          {"probe", "probe/link", "probe/endpoint", "probe/finding", "rawsock/wire"},
		"probe/sweep":          {"probe", "probe/link", "probe/endpoint", "probe/finding", "rawsock/wire"},
		"probe/diagnose":       probes,
		"probe/policy":         append(probes, "probe/diagnose"),
		"rawsock":              {"rawsock/wire"},
		"rawsock/wire":         nil,
		"rawsock/capture":      {"rawsock/wire"},
		"rawsock/filter":       {"rawsock/wire"},
		"rawsock/sockdiag":     nil,
		"rawsock/route":        nil,
		"rawsock/netlab":       {"rawsock", "rawsock/wire", "rawsock/capture", "rawsock/sockdiag", "rawsock/route"},
	}
}

// source is a parsed file of a room.
type source struct {
	room, name string
	file       *ast.File
	fset       *token.FileSet
}

func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s/%s:%d", s.room, s.name, s.fset.Position(n.Pos()).Line)
}

// sources parses every file that is not a test.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := d.Name(); d.IsDir() && name != root && (base[0] == '.' || base == "testdata") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		room, _ := filepath.Rel(root, filepath.Dir(name))
		all = append(all, source{filepath.ToSlash(room), d.Name(), file, fset})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestImportMap(t *testing.T) {
	rooms := rooms()
	for _, s := range sources(t) {
		may, ok := rooms[s.room]
		if !ok {
			t.Errorf("%s/%s: no such room in the import map", s.room, s.name)
			continue
		}
		for _, i := range s.file.Imports {
			of, ours := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), module)
			if ours && of != s.room && !slices.Contains(may, of) && !slices.Contains(may, "...") {
				t.Errorf("%s: imports %s", s.at(i), of)
			}
		}
	}
}

// Every exported name says what it is.
func TestExportedNamesAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		documented[s.room] = documented[s.room] || s.file.Doc != nil
		if s.file.Name.Name == "main" {
			continue
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && exportedReceiver(d) && d.Doc == nil && !standardMethod(d) {
					t.Errorf("%s: %s has no comment", s.at(d), d.Name.Name)
				}
			case *ast.GenDecl:
				checkDeclaration(t, s, d)
			}
		}
	}
	for room, ok := range documented {
		if !ok {
			t.Errorf("%s: no package comment", room)
		}
	}
}

func checkDeclaration(t *testing.T, s source, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil {
				t.Errorf("%s: %s has no comment", s.at(spec), spec.Name.Name)
			}
		case *ast.ValueSpec:
			if spec.Names[0].IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
				t.Errorf("%s: %s has no comment", s.at(spec), spec.Names[0].Name)
			}
		}
	}
}

// exportedReceiver reports whether a function is no method, or one of an
// exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	name, ok := typ.(*ast.Ident)
	return !ok || name.IsExported()
}

// standardMethod reports whether a method's name says it all.
func standardMethod(d *ast.FuncDecl) bool {
	return d.Recv != nil && slices.Contains([]string{"Error", "Unwrap", "Len", "Less", "Swap", "Push", "Pop", "Is"}, d.Name.Name)
}

// Nothing happens before main, and nothing is remembered beside values that
// are handed on.
func TestNoInitAndNoGlobalState(t *testing.T) {
	all := sources(t)
	for _, s := range all {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init", s.at(f))
			}
		}
	}
	for room, names := range globals(t, all) {
		for name, s := range names {
			if changed := assigned(all, room, name); changed != "" {
				t.Errorf("%s: %s is changed at %s", s, name, changed)
			}
		}
	}
}

// globals are the package-level variables of every room, and their places.
func globals(t *testing.T, all []source) map[string]map[string]string {
	found := map[string]map[string]string{}
	for _, s := range all {
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if name.Name == "_" {
						continue
					}
					if found[s.room] == nil {
						found[s.room] = map[string]string{}
					}
					found[s.room][name.Name] = s.at(name)
					if v := spec.(*ast.ValueSpec); len(v.Values) == 0 && !embedded(g) {
						t.Errorf("%s: %s has no value: it can only be state", s.at(name), name.Name)
					}
				}
			}
		}
	}
	return found
}

// embedded reports whether a variable is filled in by the compiler.
func embedded(g *ast.GenDecl) bool {
	return g.Doc != nil && slices.ContainsFunc(g.Doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed") })
}

// assigned finds a place where the package-level variable name of a room is
// changed: assigned to, counted up, or pointed to.
func assigned(all []source, room, name string) (place string) {
	for _, s := range all {
		if s.room != room {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				var targets []ast.Expr
				switch n := n.(type) {
				case *ast.AssignStmt:
					if n.Tok != token.DEFINE {
						targets = n.Lhs
					}
				case *ast.IncDecStmt:
					targets = []ast.Expr{n.X}
				}
				for _, target := range targets {
					// An identifier that the parser resolves in its own file
					// to something inside a function is a local of that name.
					if id := base(target); id != nil && id.Name == name && (id.Obj == nil || isGlobal(s.file, id)) {
						place = s.at(id)
					}
				}
				return true
			})
		}
	}
	return place
}

func isGlobal(f *ast.File, id *ast.Ident) bool { return f.Scope.Lookup(id.Name) == id.Obj }

// base is the variable that an assignment's left side is a part of.
func base(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// tracked are the files that belong to the project: those git knows, or all
// where there is no git.
func tracked(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("git", "-C", root, "ls-files", "-z").Output()
	if err == nil {
		return strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
	}
	var files []string
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			relative, _ := filepath.Rel(root, name)
			files = append(files, filepath.ToSlash(relative))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestTopLevel(t *testing.T) {
	allowed := []string{
		"go.mod", "go.sum", "cmd", "probe", "rawsock", "report", "man",
		"README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
	}
	seen := map[string]bool{}
	for _, name := range tracked(t) {
		seen[strings.Split(name, "/")[0]] = true
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		if name[0] != '.' && !slices.Contains(allowed, name) {
			t.Errorf("%s does not belong at the top", name)
		}
	}
}

func TestMainIsShort(t *testing.T) {
	b, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, []byte("\n")); n >= 40 {
		t.Errorf("main.go has %d lines", n)
	}
}

// No file names a place of the machine that it was written on.
func TestNoPathOfThisMachine(t *testing.T) {
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	home, _ := os.UserHomeDir()
	for _, name := range tracked(t) {
		b, err := os.ReadFile(path.Join(root, name))
		if err != nil {
			continue // removed, and not yet from git
		}
		for _, place := range []string{here + "/", home + "/", build.Default.GOROOT + "/"} {
			if strings.Count(place, "/") > 1 && len(place) > len("/src/") && bytes.Contains(b, []byte(place)) {
				t.Errorf("%s: names %s", name, place)
			}
		}
	}
}
