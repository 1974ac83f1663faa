package main

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// completeCommand is the word by which the completion scripts ask for
// candidates. The command line so far follows it, the word to be completed
// last.
const completeCommand = "__complete"

//go:embed completion
var completionScripts embed.FS

func shells() []string { return []string{"bash", "zsh", "fish"} }

// completion is "tcpscope completion".
func (p *program) completion() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a script that completes commands, flags and values",
		ArgsUsage: strings.Join(shells(), "|"),
		Description: `source <(tcpscope completion bash)      # in ~/.bashrc
source <(tcpscope completion zsh)       # in ~/.zshrc, after compinit
tcpscope completion fish | source       # in ~/.config/fish/config.fish`,
		Flags: generalFlags(),
		Action: func(c *cli.Context) error {
			words, rest := operands(c)
			words = append(words, rest...)
			if len(words) != 1 || !slices.Contains(shells(), words[0]) {
				return misuse("completion takes one shell: %s", alternatives(shells()))
			}
			script, err := completionScripts.ReadFile("completion/tcpscope." + words[0])
			if err != nil {
				return err
			}
			_, err = p.stdout.Write(script)
			return err
		},
	}
}

// candidate is one way to go on, and what it means.
type candidate struct{ word, meaning string }

// complete writes the candidates for the last word of words, a line each: the
// word, a tab, its meaning.
func (p *program) complete(app *cli.App, words []string) error {
	for _, c := range candidates(app, words) {
		if err := c.write(p.stdout); err != nil {
			return err
		}
	}
	return nil
}

func (c candidate) write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s\t%s\n", c.word, c.meaning)
	return err
}

// candidates are the ways to complete the last of words. Nil lets the shell
// complete file names.
func candidates(app *cli.App, words []string) []candidate {
	if len(words) == 0 {
		return nil
	}
	before, word := splitAssignment(words[:len(words)-1]), words[len(words)-1]
	if word == "=" {
		word = ""
	}
	if slices.Contains(before, "--") {
		return nil
	}
	known := flagsFor(app, before)
	line, _ := scan(known, before)
	flags, commands, path := app.Flags, app.Commands, ""
	for next := line.take(commands); next != nil; next = line.take(commands) {
		flags, commands, path = next.Flags, next.Subcommands, strings.TrimSpace(path+" "+next.Name)
	}
	if flag := awaitingValue(known, before); flag != nil {
		return values(path, flag, "", word)
	}
	if name, value, given := strings.Cut(word, "="); given {
		return values(path, flagNamed(known, strings.TrimLeft(name, "-")), name+"=", value)
	}
	if strings.HasPrefix(word, "-") {
		return matching(flagCandidates(flags), word)
	}
	if path == "help" {
		path, commands = "", app.Commands
		for next := line.take(commands); next != nil; next = line.take(commands) {
			commands = next.Subcommands
		}
	}
	if n := len(line.words); path == "sockets" && n > 0 && slices.Contains([]string{"state", "exclude"}, line.words[n-1]) {
		return matching(plain(socketStateWords()), word)
	}
	if len(line.words) > 0 && path != "sockets" {
		return nil
	}
	return matching(wordCandidates(path, commands), word)
}

// wordCandidates are the words that may follow the command at path.
func wordCandidates(path string, commands []*cli.Command) []candidate {
	switch path {
	case "completion":
		return plain(shells())
	case "sockets":
		return plain(filterWords())
	case "lab run", "lab shell":
		return plain(topologyNames())
	case "lab enter":
		return plain(runningLabs())
	}
	var all []candidate
	for _, c := range commands {
		if !c.Hidden {
			all = append(all, candidate{c.Name, c.Usage})
		}
	}
	return all
}

func flagCandidates(flags []cli.Flag) []candidate {
	var all []candidate
	for _, f := range flags {
		_, usage := unquote(f.(cli.DocGenerationFlag).GetUsage())
		for _, n := range f.Names() {
			if len(n) > 1 || len(f.Names()) == 1 {
				all = append(all, candidate{dashed(n), usage})
			}
		}
	}
	return all
}

// awaitingValue is the flag whose value the word after before is.
func awaitingValue(known []cli.Flag, before []string) cli.Flag {
	if len(before) == 0 {
		return nil
	}
	last := before[len(before)-1]
	name, long := strings.CutPrefix(last, "--")
	if !long {
		if len(last) < 2 || last[0] != '-' {
			return nil
		}
		name = last[len(last)-1:]
		if len(last) > 2 && name == "o" && flagNamed(known, timersFlag) != nil {
			return nil
		}
	}
	if f := flagNamed(known, strings.TrimSuffix(name, "=")); f != nil && takesValue(f) {
		return f
	}
	return nil
}

// values are the choices of a command's flag. Where its value is a list, they
// are choices for the list's last word.
func values(command string, f cli.Flag, prefix, word string) []candidate {
	if f == nil {
		return nil
	}
	if i := strings.LastIndexByte(word, ','); i >= 0 {
		prefix, word = prefix+word[:i+1], word[i+1:]
	}
	var all []candidate
	for _, c := range choices(command, f.Names()[0]) {
		if strings.HasPrefix(c, word) {
			all = append(all, candidate{prefix + c, ""})
		}
	}
	return all
}

// splitAssignment undoes what bash makes of "--flag=value": three words.
func splitAssignment(words []string) []string {
	var out []string
	for i, w := range words {
		switch {
		case w == "=" && len(out) > 0 && i == len(words)-1:
		case w == "=" && len(out) > 0 && strings.HasPrefix(out[len(out)-1], "--"):
			out[len(out)-1] += "="
		case len(out) > 0 && i > 0 && words[i-1] == "=" && strings.HasSuffix(out[len(out)-1], "="):
			out[len(out)-1] += w
		default:
			out = append(out, w)
		}
	}
	return out
}

func matching(all []candidate, prefix string) []candidate {
	return slices.DeleteFunc(all, func(c candidate) bool { return !strings.HasPrefix(c.word, prefix) })
}

func plain(words []string) []candidate {
	var all []candidate
	for _, w := range words {
		all = append(all, candidate{word: w})
	}
	return all
}
