package rtt

import (
	"fmt"
	"time"

	"github.com/tcpscope/tcpscope/probe/link"
)

// tracking watches the connection tracking table, which all of the machine
// shares: every source port of ours makes an entry there for every target.
type tracking struct {
	tables link.Tables
	// before is how many entries there were, and room how many more there may
	// be: half of what was free. Zero room stands for no limit.
	before, room int
	// next is when to look again.
	next time.Duration
}

// newTracking returns a tracking for a plan. Where it cannot fill its room
// there is no need to look.
func newTracking(tables link.Tables, plan *Plan) (tracking, error) {
	used, limit, err := tables.Conntrack()
	if err != nil || limit == 0 || len(plan.Targets)*plan.Ports <= (limit-used)/2 {
		return tracking{}, err
	}
	return tracking{tables: tables, before: used, room: max((limit-used)/2, 1)}, nil
}

// trackingInterval is how often the table is looked at.
const trackingInterval = 500 * time.Millisecond

// check returns an error once the run has taken its room. A kernel that could
// track connections but has no rule that asks for it does not (nf_ct_netns_get),
// so that what counts is the table and not what was sent.
func (t *tracking) check(now time.Duration) error {
	if t.room == 0 || now < t.next {
		return nil
	}
	t.next = now + trackingInterval
	used, limit, err := t.tables.Conntrack()
	if err != nil || used-t.before < t.room {
		return err
	}
	return fmt.Errorf("the connection tracking table has %d of %d entries, %d more than when the run began: "+
		"fewer targets, a longer interval or a shorter timeout need fewer", used, limit, used-t.before)
}
