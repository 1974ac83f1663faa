package filter

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Error locates what is wrong with a filter expression. Parse returns it by
// pointer.
type Error struct {
	// Column is where Word begins, in characters, counted from 1.
	Column int
	// Word is the offending word as it was written; "" at the end of the text.
	Word string
	// Problem says what is wrong with it, as the predicate of a sentence.
	Problem string
	// Hint says what helps; "" where nothing is known.
	Hint string
	// Err is what the look-up of a name returned, or nil.
	Err error
}

// maxQuoted is how many characters of a word an error repeats.
const maxQuoted = 40

// Error returns one line that names the column, the word, the problem, and what
// helps.
func (e *Error) Error() string {
	subject := "the end"
	if e.Word != "" {
		word := e.Word
		if utf8.RuneCountInString(word) > maxQuoted {
			word = string([]rune(word)[:maxQuoted]) + "..."
		}
		subject = fmt.Sprintf("%q", word)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "filter, column %d: %s %s", e.Column, subject, e.Problem)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, ": %s", e.Hint)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// fault makes the error about a token.
func fault(t token, problem, hint string) *Error {
	return &Error{Column: t.column, Word: t.text, Problem: problem, Hint: hint}
}
