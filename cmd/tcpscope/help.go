package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tcpscope/tcpscope/report"
)

// helpWidth is the number of columns that help is written in.
const helpWidth = 80

// help is the command that explains the others.
func (p *program) help() *cli.Command {
	return &cli.Command{
		Name:      "help",
		Usage:     "explain a command",
		ArgsUsage: "[COMMAND]",
		Description: `tcpscope help syn         # what "tcpscope syn --help" says
tcpscope help lab run`,
		Flags: generalFlags(),
		Action: func(c *cli.Context) error {
			words, _ := operands(c)
			commands, path := c.App.Commands, ""
			var command *cli.Command
			for _, w := range words {
				i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(w) })
				if i < 0 {
					return unknownCommand(path, w, commands)
				}
				command, path = commands[i], strings.TrimSpace(path+" "+w)
				commands = command.Subcommands
			}
			return writeHelp(p.stdout, c.App, command, path)
		},
	}
}

// writeHelp explains a command; nil is the program. It begins with examples,
// which the commands keep as their Description.
func writeHelp(out io.Writer, app *cli.App, command *cli.Command, path string) error {
	if command == nil {
		command = &cli.Command{
			Usage: app.Usage, ArgsUsage: app.ArgsUsage, Description: app.Description,
			Flags: app.Flags, Subcommands: app.Commands,
		}
	}
	w := bufio.NewWriter(out)
	name := strings.TrimSpace(app.Name + " " + path)
	fmt.Fprintf(w, "%s - %s\n\nExamples:\n", name, command.Usage)
	for line := range strings.SplitSeq(command.Description, "\n") {
		fmt.Fprintf(w, "  %s\n", line)
	}
	fmt.Fprintf(w, "\nUsage:\n  %s\n", strings.TrimSpace(name+" [flags] "+command.ArgsUsage))
	writeCommands(w, command.Subcommands)
	writeFlags(w, command.Flags)
	fmt.Fprintf(w, "\nThe whole story: man %s\n", manPage(app.Name, path))
	return w.Flush()
}

// manPage is the page that describes the command at path.
func manPage(program, path string) string {
	command, _, _ := strings.Cut(path, " ")
	switch command {
	case "", "help", "version":
		return program
	}
	return program + "-" + command
}

// writeShortHelp is the answer to a call without a command.
func writeShortHelp(w io.Writer, app *cli.App) {
	fmt.Fprintf(w, "Usage: %s [flags] %s\n", app.Name, app.ArgsUsage)
	writeCommands(w, app.Commands)
	fmt.Fprintf(w, "\nExamples and flags: %s --help, %s COMMAND --help\n", app.Name, app.Name)
}

func writeCommands(w io.Writer, commands []*cli.Command) {
	var terms [][2]string
	for _, c := range commands {
		if !c.Hidden {
			terms = append(terms, [2]string{c.Name, c.Usage})
		}
	}
	if len(terms) > 0 {
		fmt.Fprint(w, "\nCommands:\n")
		writeTerms(w, terms)
	}
}

// writeFlags lists flags by their categories, in the order of their first.
func writeFlags(w io.Writer, flags []cli.Flag) {
	var groups []string
	terms := map[string][][2]string{}
	for _, f := range flags {
		group := f.(cli.CategorizableFlag).GetCategory()
		if !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
		terms[group] = append(terms[group], flagTerm(f))
	}
	for _, g := range groups {
		fmt.Fprintf(w, "\n%s:\n", g)
		writeTerms(w, terms[g])
	}
}

// flagTerm returns "-p, --ports PORTS" and what it means. The placeholder
// stands between backquotes in the flag's usage.
func flagTerm(f cli.Flag) [2]string {
	doc := f.(cli.DocGenerationFlag)
	placeholder, usage := unquote(doc.GetUsage())
	var long, short string
	for _, n := range f.Names() {
		switch {
		case len(n) > 1:
			long = "--" + n
		case short == "":
			short = "-" + n
		}
	}
	term := "    " + long
	if short != "" {
		term = strings.TrimSuffix(short+", "+long, ", ")
	}
	if placeholder != "" {
		term += " " + placeholder
	}
	if v := doc.GetValue(); v != "" && takesValue(f) && v != "[]" {
		usage += " (" + v + ")"
	}
	return [2]string{term, usage}
}

// unquote takes the first word between backquotes out of a flag's usage, and
// returns the usage without the backquotes.
func unquote(usage string) (placeholder, plain string) {
	parts := strings.SplitN(usage, "`", 3)
	if len(parts) < 3 {
		return "", usage
	}
	return parts[1], parts[0] + parts[1] + parts[2]
}

// writeTerms writes terms and their meanings in two columns; a term too wide
// for its column has a line of its own.
func writeTerms(w io.Writer, terms [][2]string) {
	const widest = 26
	column := 0
	for _, t := range terms {
		if len(t[0]) <= widest {
			column = max(column, len(t[0]))
		}
	}
	for _, t := range terms {
		term, meaning := t[0], report.Wrap(t[1], strings.Repeat(" ", column+4), helpWidth)
		if len(term) > column {
			fmt.Fprintf(w, "  %s\n%s", term, meaning)
		} else {
			fmt.Fprintf(w, "  %-*s%s", column, term, meaning[column+2:])
		}
	}
}
