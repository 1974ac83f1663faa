package sockdiag

import "testing"

// Whatever a message holds, it is read or refused.
func FuzzDecode(f *testing.F) {
	f.Add(make([]byte, messageLength))
	f.Add(attribute(make([]byte, messageLength), attributeInfo, numbers(58)))
	f.Add(attribute(make([]byte, messageLength), attributeMemory, numbers(3)))
	f.Add(append(make([]byte, messageLength), 3, 0, 2, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decode(b); err == nil && (s.Timer.Left < 0 || !s.Local.Addr().IsValid()) {
			t.Errorf("%+v", s)
		}
	})
}
