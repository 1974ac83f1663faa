package main

import (
	"strings"
	"testing"
	"time"

	"github.com/tcpscope/tcpscope/rawsock/capture"
)

// Stamps of text need not be of the same clock as those of a capture, and some
// have no date: beside text, files are read in the order given.
func TestReadInOrderBesideText(t *testing.T) {
	late := saved(t, pcapFile(capture.LinkRaw, bare, dialogue(t, 40000, begins().Add(time.Hour))...))
	early := saved(t, []byte("00:00:01.000000 IP 10.0.0.1.40001 > 10.0.0.2.80: Flags [S], seq 1, win 1000, length 0\n"))
	for _, files := range [][2]string{{late, early}, {early, late}} {
		_, got, _ := call(t, "read -q "+files[0]+" "+files[1], "")
		textFirst := strings.HasPrefix(got, "00:00:01.000000 ")
		if textFirst != (files[0] == early) || !strings.Contains(got, "00:00:01.000000 ") {
			t.Errorf("text first is %v:\n%s", textFirst, got)
		}
	}
}

// The comments that a capture file has for its packets are in the objects.
func TestReadComments(t *testing.T) {
	const comment = "handshake-1/3"
	copied := t.TempDir() + "/copy.pcapng"
	plain := saved(t, pcapFile(capture.LinkRaw, bare, dialogue(t, 40000, begins())...))
	for _, c := range []struct {
		file    string
		comment bool
	}{{plain, false}, {copied, true}} {
		_, got, _ := call(t, "read -o jsonl -w "+t.TempDir()+"/again.pcapng "+c.file, "")
		if c.file == plain {
			call(t, "read -w "+copied+" "+plain, "")
		}
		if has := strings.Contains(got, `"comment":"`+comment+`"`); has != c.comment {
			t.Errorf("%v, want %v:\n%s", has, c.comment, got)
		}
	}
}
