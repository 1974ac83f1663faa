package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// commandLine is argv taken apart: flags, words and commands mix in any order.
type commandLine struct {
	flags []givenFlag
	words []string
	// rest is what follows "--"; ended says that there was one.
	rest  []string
	ended bool
}

// givenFlag is one flag as the user wrote it.
type givenFlag struct {
	written string // "-p", "--ports"
	name    string // "p", "ports"
	letter  string // of a bundle, if it is no flag
	value   string
	valued  bool
}

// invocation is argv understood.
type invocation struct {
	// argv is in the order that urfave/cli expects: the program, the command
	// and its subcommand, the flags, "--", the words.
	argv []string
	// command is the innermost one named, and path its full name without the
	// program's; nil and "" if argv names none.
	command *cli.Command
	path    string
	// help and version say that their flags were given.
	help, version bool
}

// permute reads argv by the flags that the app's commands define.
//
// A flag may stand before the command that defines it, so argv is read with
// the flags of all commands at once; a test holds them to one meaning each of
// "takes a value".
func permute(app *cli.App, argv []string) (invocation, error) {
	line, err := scan(flagsFor(app, argv[1:]), argv[1:])
	if err != nil {
		return invocation{}, err
	}
	call := invocation{argv: argv[:1:1]}
	flags, commands := app.Flags, app.Commands
	for next := line.take(commands); next != nil; next = line.take(commands) {
		call.command, call.path = next, strings.TrimSpace(call.path+" "+next.Name)
		call.argv = append(call.argv, next.Name)
		flags, commands = next.Flags, next.Subcommands
	}
	if err := line.check(call.path, flags); err != nil {
		return invocation{}, err
	}
	if len(commands) > 0 && len(line.words) > 0 {
		return invocation{}, unknownCommand(call.path, line.words[0], commands)
	}
	for _, f := range line.flags {
		name := flagNamed(flags, f.name).Names()[0]
		call.help = call.help || name == "help"
		call.version = call.version || name == "version"
		if f.valued {
			name += "=" + f.value
		}
		call.argv = append(call.argv, "--"+name)
	}
	call.argv = append(append(call.argv, "--"), line.words...)
	if line.ended {
		call.argv = append(append(call.argv, "--"), line.rest...)
	}
	return call, nil
}

// operands are a command's words as permute left them: before and after the
// user's "--".
func operands(c *cli.Context) (words, rest []string) {
	words = c.Args().Slice()
	if i := slices.Index(words, "--"); i >= 0 {
		return words[:i:i], words[i+1:]
	}
	return words, nil
}

// noOperands refuses operands.
func noOperands(c *cli.Context) error {
	if words, rest := operands(c); len(words)+len(rest) > 0 {
		return misuse("%s takes no argument", commandPath(c))
	}
	return nil
}

// commandPath is the full name of a command without the program's: "lab run".
func commandPath(c *cli.Context) string {
	_, path, _ := strings.Cut(c.Command.HelpName, " ")
	return path
}

// take removes the first word that names one of the commands.
func (l *commandLine) take(commands []*cli.Command) *cli.Command {
	for i, word := range l.words {
		for _, c := range commands {
			if c.HasName(word) {
				l.words = slices.Delete(l.words, i, i+1)
				return c
			}
		}
	}
	return nil
}

// scan reads argv, of which the program's name is gone.
func scan(known []cli.Flag, argv []string) (commandLine, error) {
	var line commandLine
	for len(argv) > 0 {
		word := argv[0]
		argv = argv[1:]
		var err error
		switch {
		case word == "--":
			line.rest, line.ended = argv, true
			return line, nil
		case strings.HasPrefix(word, "--"):
			argv, err = line.long(known, word, argv)
		case len(word) > 1 && word[0] == '-':
			argv, err = line.bundle(known, word, argv)
		default:
			line.words = append(line.words, word)
		}
		if err != nil {
			return line, err
		}
	}
	return line, nil
}

// long reads "--name", "--name value" or "--name=value" and returns what is
// left of argv.
func (l *commandLine) long(known []cli.Flag, word string, argv []string) ([]string, error) {
	written, value, valued := strings.Cut(word, "=")
	given := givenFlag{written: written, name: written[2:], value: value, valued: valued}
	flag := flagNamed(known, given.name)
	switch {
	case flag == nil || len(given.name) < 2:
		given.name = "" // check complains, once it knows the command
	case !takesValue(flag):
		if valued {
			return nil, misuse("%s takes no value", written)
		}
	case !valued:
		if len(argv) == 0 {
			return nil, misuse("%s needs a value", written)
		}
		given.value, given.valued, argv = argv[0], true, argv[1:]
	}
	l.flags = append(l.flags, given)
	return argv, nil
}

// bundle reads short flags: "-qn", "-p80", "-p 80", "-qp-". The first that
// takes a value takes all that is left of the word, or else the next word.
func (l *commandLine) bundle(known []cli.Flag, word string, argv []string) ([]string, error) {
	if name, _, _ := strings.Cut(word[1:], "="); len(name) > 1 && flagNamed(known, name) != nil {
		return nil, misuse("unknown flag -%s; did you mean --%s?", name, name)
	}
	for i := 1; i < len(word); i++ {
		given := givenFlag{written: "-" + word[i:i+1], name: word[i : i+1]}
		flag := flagNamed(known, given.name)
		if word[i] == '=' && i > 1 {
			return nil, misuse("-%c takes no value", word[i-1])
		}
		if flag == nil {
			given.name, given.written = "", word
			if len(word) > 2 {
				given.letter = word[i : i+1]
			}
			l.flags = append(l.flags, given)
			return argv, nil
		}
		if i > 1 && given.name == "o" && flagNamed(known, timersFlag) != nil {
			given.name, flag = timersFlag, flagNamed(known, timersFlag)
		}
		if takesValue(flag) {
			given.valued = true
			if i+1 < len(word) {
				given.value = strings.TrimPrefix(word[i+1:], "=")
			} else if len(argv) > 0 {
				given.value, argv = argv[0], argv[1:]
			} else {
				return nil, misuse("%s needs a value", given.written)
			}
			l.flags = append(l.flags, given)
			return argv, nil
		}
		l.flags = append(l.flags, given)
	}
	return argv, nil
}

// check refuses flags that the command at path does not have.
func (l *commandLine) check(path string, flags []cli.Flag) error {
	for _, f := range l.flags {
		switch {
		case flagNamed(flags, f.name) != nil:
		case f.name == "":
			near := didYouMean("--", f.written, flagNames(flags))
			if near == "" && f.letter != "" {
				return misuse("unknown flag -%s in %s", f.letter, f.written)
			}
			return misuse("unknown flag %s%s", f.written, near)
		case path != "":
			return misuse("%s is not a flag of %s", f.written, path)
		case len(l.words) == 0:
			return misuse("%s needs a command", f.written)
		}
	}
	return nil
}

// unknownCommand is the complaint about a word that names none of the
// commands below path.
func unknownCommand(path, word string, commands []*cli.Command) error {
	if path == "" && strings.ContainsAny(word, ".:/") {
		return misuse("%q is not a command; did you mean \"tcpscope syn %s\"?", word, word)
	}
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return misuse("unknown %s %q%s", strings.TrimSpace(path+" command"), word, didYouMean("", word, names))
}

// didYouMean ends a complaint about a word; "" where nothing is near.
func didYouMean(prefix, word string, words []string) string {
	if near := closest(strings.TrimLeft(word, "-"), words); near != "" {
		return fmt.Sprintf("; did you mean %s%s?", prefix, near)
	}
	return ""
}

// flagsFor are the flags that argv is read with: those of all commands but
// the ones with letters of their own. Where argv names such a command, its
// flags come first.
func flagsFor(app *cli.App, argv []string) []cli.Flag {
	common := &cli.App{Flags: app.Flags}
	for _, c := range app.Commands {
		if !hasLettersOfItsOwn(c) {
			common.Commands = append(common.Commands, c)
		}
	}
	known := allFlags(common)
	line, _ := scan(known, argv) // as far as it can be read
	if named := line.take(app.Commands); named != nil && hasLettersOfItsOwn(named) {
		return append(slices.Clone(named.Flags), known...)
	}
	return known
}

// allFlags are the flags of the program and of all its commands.
func allFlags(app *cli.App) []cli.Flag {
	all := slices.Clone(app.Flags)
	var walk func([]*cli.Command)
	walk = func(commands []*cli.Command) {
		for _, c := range commands {
			all = append(all, c.Flags...)
			walk(c.Subcommands)
		}
	}
	walk(app.Commands)
	return all
}

// flagNamed returns the flag of that name, long or short; nil if there is none.
func flagNamed(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if name != "" && slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// flagNames are the long names of flags.
func flagNames(flags []cli.Flag) []string {
	var names []string
	for _, f := range flags {
		for _, n := range f.Names() {
			if len(n) > 1 {
				names = append(names, n)
			}
		}
	}
	return names
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}
