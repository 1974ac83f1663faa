//go:build linux && peers

package main

import (
	"bytes"
	"fmt"
	"maps"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// output is what another program prints in the host.
func (c crowd) output(name string, args ...string) string {
	c.t.Helper()
	cmd := exec.Command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := c.node.Run(cmd); err != nil {
		c.t.Fatalf("%s: %v: %s", name, err, errs.String())
	}
	return out.String()
}

// end writes an end as we do.
func end(text string) string {
	text = strings.NewReplacer("[::ffff:127.0.0.1]", "127.0.0.1").Replace(text)
	switch {
	case strings.HasSuffix(text, ":*"):
		return ""
	case strings.HasPrefix(text, "*:"):
		return "[::]" + text[1:]
	case strings.HasPrefix(text, ":::"):
		return "[::]" + text[2:]
	}
	return text
}

// line is a socket as all three programs tell it.
func line(state, receive, send, local, peer, timer, holder any) string {
	return fmt.Sprintln(state, receive, send, local, peer, timer, holder)
}

// alike holds our sockets against those of another program, until nothing has
// changed in between.
func (c crowd) alike(name string, theirs func() map[string]bool, holder func(process string) string, timer map[string]string) {
	c.t.Helper()
	var got, want map[string]bool
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, stdout, _ := on(c.t, c.node, "sockets -tanop -o jsonl")
		got = map[string]bool{}
		for _, s := range told(c.t, stdout, "socket") {
			held, peer := "", ""
			if list, _ := s["processes"].([]any); len(list) > 0 {
				held = holder(list[0].(string))
			}
			if s["peer"] != nil {
				peer = s["peer"].(string)
			}
			kind, _ := s["timer"].(string)
			got[line(s["state"], s["recv_q"], s["send_q"], s["local"], peer, timer[kind], held)] = true
		}
		if want = theirs(); maps.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s:\ngot\n%v\nwant\n%v", name, got, want)
		}
	}
}

// states are those of ss and of netstat.
func ours(state string) string {
	switch name := plainState(state); name {
	case "finwait1", "finwait2":
		return "fin-wait-" + name[7:]
	case "synreceived":
		return "syn-received"
	case "timewait", "closewait":
		return strings.TrimSuffix(name, "wait") + "-wait"
	default:
		return name
	}
}

// The fingers that know ss -tanop and netstat -antpo get the same here.
func TestSocketsBesideSS(t *testing.T) {
	c, _ := newCrowd(t)
	c.alike("ss", func() map[string]bool {
		all := map[string]bool{}
		for text := range strings.Lines(c.output("ss", "-Htanop")) {
			f := strings.Fields(text)
			timer, holder := "", ""
			for _, word := range f[5:] {
				if rest, ok := strings.CutPrefix(word, "timer:("); ok {
					timer, _, _ = strings.Cut(rest, ",")
				}
				if _, rest, ok := strings.Cut(word, `(("`); ok {
					holder, _, _ = strings.Cut(strings.Replace(rest, `"`, "", 1), ")")
				}
			}
			all[line(ours(f[0]), f[1], f[2], end(f[3]), end(f[4]), timer, holder)] = true
		}
		return all
	}, func(process string) string { return process },
		map[string]string{"retransmit": "on", "keepalive": "keepalive", "time-wait": "timewait", "probe": "persist"})
}

func TestSocketsBesideNetstat(t *testing.T) {
	c, _ := newCrowd(t)
	c.alike("netstat", func() map[string]bool {
		all := map[string]bool{}
		for text := range strings.Lines(c.output("netstat", "-antpo")) {
			f := strings.Fields(text)
			if !strings.HasPrefix(f[0], "tcp") {
				continue
			}
			timer, holder := f[7], f[6]
			if timer == "off" {
				timer = ""
			}
			holder, _, _ = strings.Cut(holder, "/") // the name is its own idea
			if holder == "-" {
				holder = ""
			}
			send := f[2]
			if f[5] == "LISTEN" {
				send = "5" // it does not tell the backlog
			}
			all[line(ours(f[5]), f[1], send, end(f[3]), end(f[4]), timer, holder)] = true
		}
		return all
	}, func(process string) string {
		_, rest, _ := strings.Cut(process, ",pid=")
		pid, _, _ := strings.Cut(rest, ",")
		return pid
	}, map[string]string{"retransmit": "on", "keepalive": "keepalive", "time-wait": "timewait", "probe": "probe"})
}
