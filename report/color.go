package report

import "github.com/tcpscope/tcpscope/probe/finding"

// style is a terminal's "select graphic rendition" parameter; "" is none.
type style string

const (
	plain   style = ""
	bold    style = "1"
	dim     style = "2"
	red     style = "31"
	green   style = "1;32"
	yellow  style = "33"
	magenta style = "35"
	cyan    style = "36"
)

// stateStyle is plain but for the states that stand out.
func stateStyle(state finding.State) style {
	switch state {
	case finding.Open:
		return green
	case finding.Closed:
		return red
	case finding.Filtered, finding.OpenFiltered:
		return yellow
	case finding.Unfiltered:
		return cyan
	case finding.NotSent:
		return magenta
	}
	return plain
}

// replyStyle is plain for what answers a latency probe as it should.
func replyStyle(reply finding.Reason) style {
	switch reply {
	case finding.SYNACK:
		return plain
	case finding.RST:
		return cyan
	case finding.LocalRefusal:
		return magenta
	}
	return yellow
}

// paint applies a style where colour is on.
func (o *Options) paint(s style, text string) string {
	if !o.Color || s == plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}
