package flow

import (
	"fmt"
	"time"

	"github.com/tcpscope/tcpscope/probe/finding"
)

// Describe adds what the segment does to the record of it, which is of kind
// segment: steps, states, and relative numbers for those that it has. It is
// for the time until the table's next Add.
func (e *Event) Describe(r finding.Record) finding.Record {
	if r.Get("seq") != nil {
		r = r.Set("rel_seq", e.RelSeq)
	}
	if r.Get("ack") != nil {
		r = r.Set("rel_ack", e.RelAck)
	}
	r = r.Set("step", e.Steps.String()).
		Set("client_state", known(e.Client)).
		Set("server_state", known(e.Server))
	if _, ok := e.Connection.InFlight(e.From); ok {
		r = r.Set("in_flight", e.InFlight)
	}
	return mark(r, "copy", e.Copy)
}

// Record returns what is known of the connection as a record of kind
// connection. It holds nothing of the connection's memory.
func (c *Connection) Record() finding.Record {
	client, server := &c.ends[Client], &c.ends[Server]
	r := finding.New("connection").Set("at", c.began)
	if !c.began.IsZero() {
		r = r.Set("duration_us", microseconds(c.last.Sub(c.began)))
	}
	r = r.Set("client", client.addr.String()).Set("server", server.addr.String())
	r = mark(mark(r, "sides_guessed", c.sidesGuessed), "simultaneous_open", c.simulOpen)
	if rtt, ok := c.HandshakeRTT(); ok {
		r = r.Set("handshake_rtt_us", microseconds(rtt))
	}
	r = c.recordClose(r.Set("client_state", known(client.state)).Set("server_state", known(server.state)))
	return c.recordStays(r.Set("segments", c.segments).
		Set("octets_client", client.octets).
		Set("octets_server", server.octets).
		Set("missing_client", client.stream.missing).
		Set("missing_server", server.stream.missing).
		Set("retransmissions_client", client.repeats).
		Set("retransmissions_server", server.repeats).
		Set("copies", unlessZero(c.copies)).
		Set("paws_trouble", unlessZero(c.paws)))
}

// known is a state's word in a record, which leaves out what is not known.
func known(s State) any {
	if s == Unknown {
		return nil
	}
	return s.String()
}

// recordClose adds how the connection ended.
func (c *Connection) recordClose(r finding.Record) finding.Record {
	r = r.Set("close", c.Close().String()).
		Set("closed_first", sides(c.ClosedFirst(Client), c.ClosedFirst(Server)))
	if d, ok := c.CloseDelay(); ok {
		r = r.Set("close_delay_us", microseconds(d.AfterFIN))
		if !d.Combined {
			r = r.Set("fin_ack_delay_us", microseconds(d.AfterACK))
		}
	}
	r = r.Set("time_wait", sides(c.ends[Client].state == TimeWait, c.ends[Server].state == TimeWait))
	if reset, ok := c.Reset(); ok {
		r = r.Set("reset", reset.Record().Set("from", c.ends[reset.From].addr.String()))
	}
	return r
}

// recordStays adds how long the ends were in which states.
func (c *Connection) recordStays(r finding.Record) finding.Record {
	for side, field := range [...]string{Client: "states_client", Server: "states_server"} {
		var stays []finding.Record
		for state, spent := range c.ends[side].spent {
			if spent > 0 && State(state) != Unknown {
				stays = append(stays, finding.New("state").
					Set("state", State(state).String()).Set("spent_us", microseconds(spent)))
			}
		}
		r = r.Set(field, stays)
	}
	return r
}

// Record returns the reset as a record of kind reset. It lacks the address,
// which is the connection's.
func (r Reset) Record() finding.Record {
	record := finding.New("reset").Set("at", r.At)
	if r.TTL != 0 {
		record = record.Set("ttl", r.TTL)
	}
	return record.Set("shape", r.Shape.String()).Set("sender", r.Sender()).Set("evidence", r.evidence())
}

// Sender returns who is taken to have made the reset: a device on the path if
// its TTL is another than that of the end's first segment, for then it has
// come from another distance; the peer if it is the same, and the form is not
// that of a device. Where the header or the end's other segments are not known,
// neither is the sender.
func (r Reset) Sender() finding.Sender {
	switch {
	case r.TTL == 0 || r.EndTTL == 0:
		return finding.SenderUnknown
	case r.TTL != r.EndTTL:
		return finding.SenderMiddlebox
	case r.Shape == Firewall || r.Shape == SYNProxy:
		return finding.SenderUnknown
	default:
		return finding.SenderPeer
	}
}

// evidence says in sentences what shape and sender rest on.
func (r Reset) evidence() []string {
	var form, distance string
	switch r.Shape {
	case StatelessACK:
		form = "it has neither window nor options, and its number is what the segment before it acknowledges"
	case StatelessNoACK:
		form = "it has neither window nor options, and acknowledges the segment before it, which has no ACK"
	case Active:
		form = "it has both numbers of the connection, and a window or options"
	case Firewall:
		form = "it has neither window nor options"
		if r.TTL == r.EndTTL || r.EndTTL == 0 {
			form += ", and does not echo the DSCP of the segment that it answers"
		}
	case SYNProxy:
		form = "it has both numbers of the connection, and neither window nor options"
	default:
		form = "its numbers, window and options are of no known form"
	}
	switch {
	case r.TTL == 0:
		distance = "its TTL is not known"
	case r.EndTTL == 0:
		distance = "no other segment of that end was seen, to compare the TTL with"
	case r.TTL != r.EndTTL:
		distance = fmt.Sprintf("its TTL is %d, that of the end's first segment is %d", r.TTL, r.EndTTL)
	default:
		distance = fmt.Sprintf("its TTL is %d, as that of the end's first segment", r.TTL)
	}
	return []string{form, distance}
}

// sides words which ends something is true of; "" if it is of neither.
func sides(client, server bool) string {
	switch {
	case client && server:
		return "both"
	case client:
		return Client.String()
	case server:
		return Server.String()
	default:
		return ""
	}
}

// mark sets a field that is there only to say yes.
func mark(r finding.Record, field string, yes bool) finding.Record {
	if !yes {
		return r
	}
	return r.Set(field, true)
}

// unlessZero is a count of something unusual; nil if it has not happened.
func unlessZero(n uint64) any {
	if n == 0 {
		return nil
	}
	return n
}

// microseconds is a duration as records have it.
func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
