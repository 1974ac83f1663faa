// Package finding holds the one table of every object and field that
// tcpscope reports, and the Record that carries them. JSON, CSV, the text
// report and the man pages are all made from this table.
package finding

// Type is how a field's value is written.
type Type uint8

// The types of fields, with the Go type that a Record holds.
const (
	Text    Type = iota // string
	Int                 // int64
	Number              // float64
	Bool                // bool
	Time                // time.Time; RFC 3339, UTC, nanoseconds
	Address             // netip.Addr
	List                // []string
	Object              // Record
	Objects             // []Record
)

// FieldSpec describes one field of an object.
type FieldSpec struct {
	Name    string
	Type    Type
	Unit    string // "us", "octets", "" where there is none
	Meaning string
}

// ObjectSpec describes one kind of object.
type ObjectSpec struct {
	Kind    string
	Meaning string
	Fields  []FieldSpec
}

// Field is one name and its value.
type Field struct {
	Name  string
	Value any
}

// Record is one object: its kind, and the fields that have a value, in the
// table's order.
type Record struct {
	Kind   string
	Fields []Field
	// Datagram is the IPv4 datagram behind a segment record, for reports
	// that show it in tcpdump's form. No format writes it as a field.
	Datagram []byte
}
