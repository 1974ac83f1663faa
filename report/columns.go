package report

import "strings"

// pageWidth is what tables and prose keep to.
const pageWidth = 80

// What stands between columns: as a rule, and where room is scarce.
const (
	wide   = "  "
	narrow = " "
)

// cell is one entry of a table.
type cell struct {
	text  string
	style style
}

// column is one column of a table. Its cells are made as they are needed, for
// a table may have a row for every port.
type column struct {
	title string
	right bool // numbers
	// spill words the value for a line below the row, where the column finds
	// no room; nil keeps the column in any case.
	spill func(text string) string
	cell  func(row int) cell
	width int // of the widest cell; set by layout
}

// measure sets the width for that many rows, and returns false if none has
// anything to say.
func (c *column) measure(rows int) bool {
	empty := true
	c.width = width(c.title)
	for i := range rows {
		text := c.cell(i).text
		empty = empty && text == ""
		c.width = max(c.width, width(text))
	}
	return !empty
}

// layout drops the columns that are empty in all rows, and takes out, last
// first, those that must spill for the rest to fit into room.
func layout(columns []*column, rows, room int, gap string) (kept, spilled []*column) {
	total := -len(gap)
	for _, c := range columns {
		if c.measure(rows) {
			kept = append(kept, c)
			total += len(gap) + c.width
		}
	}
	for i := len(kept) - 1; i >= 0 && total > room; i-- {
		if c := kept[i]; c.spill != nil {
			total -= len(gap) + c.width
			spilled = append(spilled, c)
			kept = append(kept[:i:i], kept[i+1:]...)
		}
	}
	return kept, spilled
}

// line writes one row of the columns; row -1 is the titles.
func (t *textWriter) line(columns []*column, row int, indent, gap string) string {
	var b strings.Builder
	b.WriteString(indent)
	for i, c := range columns {
		entry := cell{text: c.title, style: bold}
		if row >= 0 {
			entry = c.cell(row)
		}
		padding := strings.Repeat(" ", c.width-width(entry.text))
		if c.right {
			b.WriteString(padding)
		}
		b.WriteString(t.paint(entry.style, entry.text))
		if i < len(columns)-1 {
			if !c.right {
				b.WriteString(padding)
			}
			b.WriteString(gap)
		}
	}
	return strings.TrimRight(b.String(), " ") + "\n"
}
