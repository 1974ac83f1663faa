package filter

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// token is a word or an operator of the text.
type token struct {
	text    string // "" at the end
	column  int    // in characters, from 1
	word    bool
	escaped bool // written with a backslash: a name, not a word of the language
}

// is reports whether the token is one of these operators or words.
func (t token) is(any ...string) bool {
	for _, text := range any {
		if t.text == text && !t.escaped {
			return true
		}
	}
	return false
}

// The words of the text. As in libpcap a minus or a dot within a name or between
// numbers belongs to the word (ftp-data, 6000-6008, 10.0.0.1), and so do the
// colons of addresses, but within brackets numbers end where their digits do, for
// tcp[2-1] and ip[2:2].
var (
	wordForm     = regexp.MustCompile(`^(?:\\?[A-Za-z0-9](?:[-_.:A-Za-z0-9]*[.:A-Za-z0-9])?|::[.:A-Za-z0-9]*)`)
	indexForm    = regexp.MustCompile(`^(?:[0-9][A-Za-z0-9]*|[A-Za-z](?:[-_.A-Za-z0-9]*[A-Za-z0-9])?)`)
	operatorForm = regexp.MustCompile(`^(?:&&|\|\||<<|>>|<=|>=|==|!=|[][()!&|^+*/%=<>:-])`)
	numberForm   = regexp.MustCompile(`^(?:0[xX][0-9A-Fa-f]+|[0-9]+)$`)
	dottedForm   = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+)*$`)
)

// spellings are the operators that are written in two ways, and the one that the
// parser knows.
var spellings = map[string]string{"&&": "and", "||": "or", "!": "not", "==": "="}

// tokens splits the text. The last token is the end.
func tokens(text string) ([]token, error) {
	var list []token
	column, brackets := 1, 0
	for text != "" {
		if strings.IndexByte(" \t\r\n", text[0]) >= 0 {
			text, column = text[1:], column+1
			continue
		}
		t := token{column: column}
		form := wordForm
		if brackets > 0 {
			form = indexForm
		}
		if found := form.FindString(text); found != "" {
			t.text, t.word = found, true
		} else if found := operatorForm.FindString(text); found != "" {
			t.text = found
		} else {
			return nil, unexpectedCharacter(text, column)
		}
		text, column = text[len(t.text):], column+len(t.text)
		switch {
		case t.text == "[":
			brackets++
		case t.text == "]":
			brackets--
		case t.word:
			t.text, t.escaped = strings.CutPrefix(t.text, `\`)
		case spellings[t.text] != "":
			t.text = spellings[t.text]
		}
		list = append(list, t)
	}
	return append(list, token{column: column}), nil
}

func unexpectedCharacter(text string, column int) error {
	_, size := utf8.DecodeRuneInString(text)
	hint := ""
	switch text[:size] {
	case ",":
		hint = `list alternatives with "or"`
	case "{", "}":
		hint = "group with parentheses"
	case `"`, "'", "`":
		hint = "leave quotes to the shell"
	}
	return fault(token{text: text[:size], column: column}, "has no meaning in a filter", hint)
}
