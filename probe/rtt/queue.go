package rtt

import "time"

// deadlines are the exchanges that something is awaited for, in the order of
// their deadlines: all of a queue are given the same time. The zero value is
// empty.
type deadlines struct {
	all   []deadline
	first int
}

type deadline struct {
	target int
	n      uint32
	at     time.Duration
}

func (q *deadlines) push(d deadline) {
	// What has been taken makes room before the queue grows.
	if len(q.all) == cap(q.all) && q.first > len(q.all)/2 {
		q.all = q.all[:copy(q.all, q.all[q.first:])]
		q.first = 0
	}
	q.all = append(q.all, d)
}

func (q *deadlines) empty() bool { return q.first == len(q.all) }

// peek returns the one that comes first.
func (q *deadlines) peek() deadline { return q.all[q.first] }

func (q *deadlines) pop() {
	if q.first++; q.empty() {
		q.all, q.first = q.all[:0], 0
	}
}
