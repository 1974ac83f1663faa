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
	Counts              // []Count; an object of numbers
)

// String returns the type's name as the man pages print it.
func (t Type) String() string {
	names := [...]string{"text", "integer", "number", "boolean", "time", "address", "list", "object", "objects", "counts"}
	if int(t) < len(names) {
		return names[t]
	}
	return "unknown"
}

// Word is one word of a field's vocabulary.
type Word struct {
	Name    string
	Meaning string
}

// FieldSpec describes one field of an object.
type FieldSpec struct {
	Name    string
	Type    Type
	Unit    string // "us", "octets", "" where there is none
	Meaning string
	// Words are the values that the field is made of, where those are
	// listed; nil where any value may stand.
	Words []Word
}

// ObjectSpec describes one kind of object.
type ObjectSpec struct {
	Kind    string
	Meaning string
	Fields  []FieldSpec
}

// Field returns the specification of the field called name.
func (s *ObjectSpec) Field(name string) (FieldSpec, bool) {
	if i := s.place(name); i < len(s.Fields) {
		return s.Fields[i], true
	}
	return FieldSpec{}, false
}

// place returns where the field called name stands in the table; a name that
// the table does not know stands behind all others.
func (s *ObjectSpec) place(name string) int {
	if s == nil {
		return 0
	}
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return i
		}
	}
	return len(s.Fields)
}

// Spec returns the table's entry for kind. The result shares the table and
// must not be modified.
func Spec(kind string) (ObjectSpec, bool) {
	if s := lookup(kind); s != nil {
		return *s, true
	}
	return ObjectSpec{}, false
}

func lookup(kind string) *ObjectSpec {
	for i := range table {
		if table[i].Kind == kind {
			return &table[i]
		}
	}
	return nil
}
