package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// pages reads every page of the manual, by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(root + "/man/*.1")
	if err != nil || len(files) == 0 {
		t.Fatal("no pages", err)
	}
	found := map[string]string{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimSuffix(filepath.Base(name), ".1")] = string(b)
	}
	return found
}

// section returns a page's section, without its heading; "" if there is none.
func section(page, heading string) string {
	_, rest, _ := strings.Cut(page, "\n.Sh "+heading+"\n")
	text, _, _ := strings.Cut(rest, "\n.Sh ")
	return text
}

// matches returns the first group of every match.
func matches(pattern, text string) []string {
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

// describedFlags are the flags that a page's OPTIONS describe: ".It Fl p , Fl
// -ports Ar PORTS".
func describedFlags(page string) []string {
	var flags []string
	for _, item := range matches(`(?m)^\.It (Fl .*)$`, section(page, "OPTIONS")) {
		for _, f := range matches(`Fl (\S+)`, item) {
			flags = append(flags, strings.TrimPrefix(f, "-"))
		}
	}
	return flags
}

// ownFlags are the flags that the page of a command has to describe: those
// that not every command, or every command that sends segments, takes.
func ownFlags(flags []cli.Flag) []string {
	common := slices.Concat(generalFlags(), wireFlags(""))
	var names []string
	for _, f := range flags {
		if known := flagNamed(common, f.Names()[0]); known == nil || !slices.Equal(known.Names(), f.Names()) {
			names = append(names, f.Names()...)
		}
	}
	return names
}

func allNames(flags []cli.Flag) []string {
	var names []string
	for _, f := range flags {
		names = append(names, f.Names()...)
	}
	return names
}

// same complains where two sets of words differ, either way.
func same(t *testing.T, what string, page, program []string) {
	t.Helper()
	for _, w := range page {
		if !slices.Contains(program, w) {
			t.Errorf("%s: the page has %s, the program has not", what, w)
		}
	}
	for _, w := range program {
		if !slices.Contains(page, w) {
			t.Errorf("%s: the program has %s, the page has not", what, w)
		}
	}
}

func TestPagesAndCommands(t *testing.T) {
	pages, app := pages(t), (&program{}).app()
	known := []string{"tcpscope"}
	var commands []string
	for _, c := range app.Commands {
		commands = append(commands, c.Name)
		if page := manPage(app.Name, c.Name); !slices.Contains(known, page) {
			known = append(known, page)
		}
	}
	same(t, "pages", slices.Collect(maps.Keys(pages)), known)
	same(t, "commands", matches(`(?m)^\.It Cm (\w+)`, section(pages["tcpscope"], "COMMANDS")), commands)

	var below []string
	for _, c := range app.Command("lab").Subcommands {
		if !c.Hidden {
			below = append(below, c.Name)
		}
	}
	same(t, "lab", matches(`(?m)^\.It Cm (\w+)`, section(pages["tcpscope-lab"], "DESCRIPTION")), below)
	for name, page := range pages {
		for _, heading := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "PRIVILEGES", "EXAMPLES", "SEE ALSO"} {
			if !strings.Contains(page, "\n.Sh "+heading+"\n") {
				t.Errorf("%s: no %s", name, heading)
			}
		}
		for _, other := range matches(`(?m)^\.Xr (tcpscope\S*) 1`, page) {
			if pages[other] == "" {
				t.Errorf("%s: refers to %s", name, other)
			}
		}
	}
}

func TestPagesAndFlags(t *testing.T) {
	pages, app := pages(t), (&program{}).app()
	same(t, "tcpscope", describedFlags(pages["tcpscope"]), allNames(slices.Concat(generalFlags(), wireFlags(""))))
	for _, c := range app.Commands {
		page := manPage(app.Name, c.Name)
		if page == app.Name {
			continue
		}
		flags := c.Flags
		for _, s := range c.Subcommands {
			flags = append(flags, s.Flags...)
		}
		same(t, page, describedFlags(pages[page]), ownFlags(flags))
	}
	// Wherever else a page names a flag, it is one.
	all := allNames(allFlags(app))
	for name, page := range pages {
		for _, f := range matches(`\bFl -?([\w-]+)`, page) {
			if !slices.Contains(all, f) && f != "-" {
				t.Errorf("%s: names the flag %s", name, f)
			}
		}
	}
}

// Defaults that pages give in words are those of the flags.
func TestPagesAndDefaults(t *testing.T) {
	pages, app := pages(t), (&program{}).app()
	for _, name := range []string{"syn", "craft", "rtt"} {
		for _, f := range app.Command(name).Flags {
			text, ok := f.(*cli.StringFlag)
			if !ok || text.Value == "" || flagNamed(generalFlags(), text.Name) != nil {
				continue
			}
			_, item, _ := strings.Cut(section(pages["tcpscope-"+name], "OPTIONS"), "Fl -"+text.Name+" ")
			item, _, _ = strings.Cut(item, "\n.It ")
			value := text.Value
			if value == "1" {
				value = "once"
			}
			if !strings.Contains(item, value) {
				t.Errorf("%s --%s: the page does not give the default %s", name, text.Name, text.Value)
			}
		}
	}
}

func TestPagesAndExitStatuses(t *testing.T) {
	pages := pages(t)
	all := []string{"0", "1", "2", "3", "4", "130"}
	same(t, "tcpscope", matches(`(?m)^\.It (\d+)$`, section(pages["tcpscope"], "EXIT STATUS")), all)
	for name, page := range pages {
		for _, status := range matches(`(?m)^\.It (\d+)$`, section(page, "EXIT STATUS")) {
			if !slices.Contains(all, status) {
				t.Errorf("%s: exit status %s", name, status)
			}
		}
	}
	// The list above is the constants'.
	b, err := os.ReadFile("exit.go")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "exit.go", matches(`(?m)^\texit\w+\s+= (\d+)$`, string(b)), all)
}

// Every object is on one page, with the fields that the table gives it, in
// its order, with type and unit.
func TestPagesAndObjects(t *testing.T) {
	described := map[string]string{}
	for name, page := range pages(t) {
		for part := range strings.SplitSeq(section(page, "OUTPUT"), "\n.Ss ") {
			kind, ok := strings.CutPrefix(part, "Object ")
			if !ok {
				continue
			}
			kind, _, _ = strings.Cut(kind, "\n")
			if other, twice := described[kind]; twice {
				t.Errorf("%s is described by %s and %s", kind, name, other)
			}
			described[kind] = name
			spec, ok := finding.Spec(kind)
			if !ok {
				t.Errorf("%s: no object %s", name, kind)
			}
			var fields []string
			for _, f := range spec.Fields {
				typ := f.Type.String()
				if f.Unit != "" {
					typ += ", " + f.Unit
				}
				fields = append(fields, f.Name+"\n.Pq "+typ)
			}
			if got := matches(`(?m)^\.It Va (.*\n\.Pq .*)$`, part); !slices.Equal(got, fields) {
				t.Errorf("%s: %s has fields\n%q, the table\n%q", name, kind, got, fields)
			}
		}
	}
	for _, spec := range finding.Table() {
		if described[spec.Kind] == "" {
			t.Errorf("no page describes %s", spec.Kind)
		}
	}
}

// The words of verdicts are those of the table.
func TestPagesAndWords(t *testing.T) {
	output := section(pages(t)["tcpscope-syn"], "OUTPUT")
	for heading, words := range map[string][]finding.Word{
		"States": finding.States(), "Reasons": finding.Reasons(), "Statuses": finding.HostStatuses(), "Origins": finding.Origins(),
	} {
		_, part, _ := strings.Cut(output, "\n.Ss "+heading+"\n")
		part, _, _ = strings.Cut(part, "\n.Ss ")
		var names []string
		for _, w := range words {
			names = append(names, w.Name)
		}
		same(t, heading, matches(`(?m)^\.It Cm (\S+)$`, part), names)
	}
	var clocks []string
	for _, w := range finding.Clocks() {
		clocks = append(clocks, w.Name)
	}
	same(t, "clocks", matches(`(?m)^\.It Cm (\S+)$`, section(pages(t)["tcpscope-rtt"], "CLOCKS")), clocks)
}

// The choices that completion offers are what the parsers take.
func TestChoicesAreInPages(t *testing.T) {
	pages := pages(t)
	for _, of := range []struct{ page, command, flag string }{
		{"tcpscope", "syn", "output"}, {"tcpscope", "rtt", "output"}, {"tcpscope", "syn", "color"},
		{"tcpscope-syn", "syn", "order"}, {"tcpscope-syn", "syn", "like"},
		{"tcpscope-rtt", "rtt", "clock"}, {"tcpscope-rtt", "rtt", "like"}, {"tcpscope-rtt", "rtt", "expect"},
	} {
		_, item, _ := strings.Cut(section(pages[of.page], "OPTIONS"), "Fl -"+of.flag+" ")
		item, _, _ = strings.Cut(item, "\n.It ")
		for _, word := range choices(of.command, of.flag) {
			if !strings.Contains(item, "\n.Cm "+word) {
				t.Errorf("%s: --%s does not name %s", of.page, of.flag, word)
			}
		}
	}
}
