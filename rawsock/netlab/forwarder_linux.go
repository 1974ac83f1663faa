package netlab

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// spin is how long before a frame is due the forwarder stops sleeping:
	// the kernel's timers wake a thread some 50 us late.
	spin = 70 * time.Microsecond
	// burst bounds how many frames of one direction are taken in before those
	// that are due go out.
	burst = 64
)

// side names the direction of a lane by the end where frames come in.
type side int

const (
	fromA side = iota
	fromB
)

func (s side) other() side { return 1 - s }

// forwarder moves the frames of one link between two taps. One thread serves
// both directions, so what a Tamper sends back needs no hand-over, and Tamper
// and DropRule functions are never called concurrently.
type forwarder struct {
	encapsulation encapsulation
	tamper        Tamper
	taps          [2]*tap
	wake          int // eventfd; readable when the forwarder shall stop
	done          chan struct{}

	mu      sync.Mutex // guards what follows
	lanes   [2]*lane
	journal journal
}

// startForwarder forwards between two taps, which it closes when it stops.
func startForwarder(l Link, e encapsulation, a, b *tap) (*forwarder, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	f := &forwarder{
		encapsulation: e,
		tamper:        l.Tamper,
		taps:          [2]*tap{a, b},
		wake:          wake,
		done:          make(chan struct{}),
		lanes:         [2]*lane{newLane(l.AtoB, 1), newLane(l.BtoA, 2)},
		journal:       journal{room: l.Log},
	}
	go f.run()
	return f, nil
}

// stop ends the forwarder; frames under way are gone.
func (f *forwarder) stop() error {
	_, err := unix.Write(f.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	if err != nil {
		return os.NewSyscallError("write", err)
	}
	<-f.done
	return errors.Join(f.taps[fromA].close(), f.taps[fromB].close(), unix.Close(f.wake))
}

// run is the forwarder's loop: send what is due, sleep until there is
// something to do, take in what came.
func (f *forwarder) run() {
	defer close(f.done)
	// Never unlocked, since the thread's timer slack is changed: it ends with
	// this goroutine.
	runtime.LockOSThread()
	// Without this the kernel may wake us 50 us later than it could. A kernel
	// that refuses makes the delays a little less exact.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	fds := []unix.PollFd{
		{Fd: int32(f.wake), Events: unix.POLLIN},
		{Fd: int32(f.taps[fromA].fd), Events: unix.POLLIN},
		{Fd: int32(f.taps[fromB].fd), Events: unix.POLLIN},
	}
	for {
		due, any := f.sendDue()
		if _, err := unix.Ppoll(fds, sleepUntil(due, any), nil); err != nil && err != unix.EINTR {
			return
		}
		if fds[0].Revents != 0 {
			return
		}
		for _, s := range []side{fromA, fromB} {
			if fds[1+s].Revents&unix.POLLERR != 0 {
				f.taps[s].clearError()
			}
			f.takeIn(s)
		}
	}
}

// sleepUntil is how long poll may sleep: until shortly before due, not at all
// if that is near, and for ever if nothing is due.
func sleepUntil(due time.Time, any bool) *unix.Timespec {
	if !any {
		return nil
	}
	timeout := unix.NsecToTimespec(int64(max(0, time.Until(due)-spin)))
	return &timeout
}

// sendDue sends all that is due and returns when the next frame will be.
func (f *forwarder) sendDue() (next time.Time, any bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range []side{fromA, fromB} {
		for {
			frame := f.lanes[s].pop(time.Now())
			if frame == nil {
				break
			}
			f.deliver(s, frame)
		}
	}
	for _, l := range f.lanes {
		if due, ok := l.nextDue(); ok && (!any || due.Before(next)) {
			next, any = due, true
		}
	}
	return next, any
}

// takeIn admits the frames that wait at one tap.
func (f *forwarder) takeIn(s side) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range burst {
		octets, at, ok := f.taps[s].receive()
		if !ok {
			return
		}
		f.admit(s, &frame{octets: octets, ip: f.encapsulation.locate(octets), in: at})
	}
}

// admit lets a frame into a lane and notes it if it gets no further.
func (f *forwarder) admit(s side, in *frame) {
	if fate := f.lanes[s].admit(in); fate != Forwarded {
		f.note(s, in, in.octets, fate)
	}
}

// deliver takes a frame at the far end of its lane through the tamper box, if
// there is one, and hands over what is left.
func (f *forwarder) deliver(s side, in *frame) {
	if f.tamper == nil || in.ip < 0 {
		f.send(s, in, in.octets)
		return
	}
	forward, back := f.tamper(in.datagram(), s == fromA)
	counters := &f.lanes[s].counters
	if len(forward) == 0 {
		counters.Intercepted++
		f.note(s, in, in.octets, Intercepted)
	} else {
		counters.Inserted += uint64(len(forward) - 1)
	}
	for _, datagram := range forward {
		f.send(s, in, f.encapsulation.wrap(in.octets, datagram))
	}
	for _, datagram := range back {
		octets := f.encapsulation.reversed(in.octets, datagram)
		f.admit(s.other(), &frame{octets: octets, ip: in.ip, in: time.Now()})
	}
}

// send hands a frame to the receiving host.
func (f *forwarder) send(s side, in *frame, octets []byte) {
	out := time.Now()
	err := f.taps[s.other()].send(octets)
	if in.ip < 0 {
		return
	}
	p := passage(s, in, octets)
	p.Out, p.Delivered = out, time.Now()
	if err != nil {
		p.Fate = Unsent
		f.lanes[s].counters.Unsent++
	} else {
		f.lanes[s].counters.Forwarded++
	}
	f.journal.add(p)
}

// note enters a datagram that gets no further into the journal.
func (f *forwarder) note(s side, in *frame, octets []byte, fate Fate) {
	p := passage(s, in, octets)
	p.Fate, p.Out = fate, time.Now()
	f.journal.add(p)
}

// passage is a frame's, as far as it is known before it has come to an end.
func passage(s side, in *frame, octets []byte) Passage {
	return Passage{FromA: s == fromA, Datagram: octets[in.ip:], In: in.in, Delay: in.delay}
}

// counters returns a direction's counters, kernel drops included.
func (f *forwarder) counters(s side) Counters {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lanes[s].counters.Overrun += f.taps[s].dropped()
	return f.lanes[s].counters
}

// passages returns the journal, oldest first.
func (f *forwarder) passages() []Passage {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.journal.list()
}
