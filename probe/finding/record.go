package finding

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"
)

// Field is one name and its value.
type Field struct {
	Name  string
	Value any
}

// Count is a number of things of one name.
type Count struct {
	Name string
	N    int64
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

// New returns a record of the given kind without fields.
func New(kind string) Record {
	r := Record{Kind: kind}
	if s := lookup(kind); s != nil {
		r.Fields = make([]Field, 0, len(s.Fields))
	}
	return r
}

// Set returns the record with the named field set, in the table's order.
// Integers, and the vocabulary types of this package, become the Go type that
// the table asks for. A value that is absent (nil, an empty
// text or list, the zero Time or Addr) takes the field out; zero is a number
// like others. Set does not complain: Validate does.
//
// Like append, Set may write into the storage of r: use its result only.
func (r Record) Set(name string, value any) Record {
	value = canonical(value)
	if value == nil {
		r.Fields = slices.DeleteFunc(r.Fields, func(f Field) bool { return f.Name == name })
		return r
	}
	spec := lookup(r.Kind)
	place := spec.place(name)
	at := len(r.Fields)
	for at > 0 && spec.place(r.Fields[at-1].Name) > place {
		at--
	}
	if at > 0 && r.Fields[at-1].Name == name {
		r.Fields[at-1].Value = value
		return r
	}
	r.Fields = slices.Insert(r.Fields, at, Field{name, value})
	return r
}

// Get returns the value of the named field, or nil.
func (r Record) Get(name string) any {
	for _, f := range r.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return nil
}

// Text returns the named field if it is a text, else "".
func (r Record) Text(name string) string { s, _ := r.Get(name).(string); return s }

// Int returns the named field and whether it is there and an integer.
func (r Record) Int(name string) (int64, bool) { n, ok := r.Get(name).(int64); return n, ok }

// Number returns the named field and whether it is there and a number.
func (r Record) Number(name string) (float64, bool) { n, ok := r.Get(name).(float64); return n, ok }

// Addr returns the named field if it is an address, else the zero Addr.
func (r Record) Addr(name string) netip.Addr { a, _ := r.Get(name).(netip.Addr); return a }

// Time returns the named field if it is a time, else the zero Time.
func (r Record) Time(name string) time.Time { t, _ := r.Get(name).(time.Time); return t }

// List returns the named field if it is a list, else nil. It is not a copy.
func (r Record) List(name string) []string { l, _ := r.Get(name).([]string); return l }

// Validate returns an error that names every field that the table does not
// know, and every value that is not of the table's type.
func (r Record) Validate() error {
	s := lookup(r.Kind)
	if s == nil {
		return fmt.Errorf("no object %q in the table", r.Kind)
	}
	var errs []error
	for _, f := range r.Fields {
		spec, ok := s.Field(f.Name)
		if !ok {
			errs = append(errs, fmt.Errorf("%s: no field %q in the table", r.Kind, f.Name))
		} else if !spec.Type.holds(f.Value) {
			errs = append(errs, fmt.Errorf("%s: field %s is %s, not %T", r.Kind, f.Name, spec.Type, f.Value))
		}
	}
	return errors.Join(errs...)
}

// holds reports whether v has the Go type that the table promises.
func (t Type) holds(v any) bool {
	var ok bool
	switch t {
	case Text:
		_, ok = v.(string)
	case Int:
		_, ok = v.(int64)
	case Number:
		_, ok = v.(float64)
	case Bool:
		_, ok = v.(bool)
	case Time:
		_, ok = v.(time.Time)
	case Address:
		_, ok = v.(netip.Addr)
	case List:
		_, ok = v.([]string)
	case Object:
		_, ok = v.(Record)
	case Objects:
		_, ok = v.([]Record)
	case Counts:
		_, ok = v.([]Count)
	}
	return ok
}

// canonical turns a value into one of the Go types that records hold, and an
// absent one into nil. What it does not know it returns as it is.
func canonical(v any) any {
	switch v := v.(type) {
	case int:
		return int64(v)
	case int32:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v)
		}
	case State:
		return canonical(string(v))
	case Reason:
		return canonical(string(v))
	case HostStatus:
		return canonical(string(v))
	case Origin:
		return canonical(string(v))
	case Direction:
		return canonical(string(v))
	case Clock:
		return canonical(string(v))
	case Limit:
		return canonical(string(v))
	case Sender:
		return canonical(string(v))
	case string:
		return unlessAbsent(v, v == "")
	case time.Time:
		return unlessAbsent(v, v.IsZero())
	case netip.Addr:
		return unlessAbsent(v, !v.IsValid())
	case []string:
		return unlessAbsent(v, len(v) == 0)
	case []Count:
		return unlessAbsent(v, len(v) == 0)
	case []Record:
		return unlessAbsent(v, len(v) == 0)
	}
	return v
}

func unlessAbsent(v any, absent bool) any {
	if absent {
		return nil
	}
	return v
}
