package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

const (
	// talkPatience is how long a conversation waits for somebody who watches.
	talkPatience = 5 * time.Second
	// talkGlance is how often it looks.
	talkGlance = 5 * time.Millisecond
)

// labTalk gives those who watch something to see: the kernel's own connection,
// with a line of data, and a close.
func (p *program) labTalk(c *cli.Context) error {
	words, _ := operands(c)
	if len(words) != 1 {
		return misuse("lab talk takes one ADDR:PORT; %d given", len(words))
	}
	ctx, cancel := context.WithTimeout(c.Context, talkPatience)
	defer cancel()
	if err := watched(ctx); err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", words[0])
	if err != nil {
		return err
	}
	_, err = io.WriteString(conn, "hello, apple\n")
	// The peer closes when it has had our FIN.
	if err == nil {
		err = conn.(*net.TCPConn).CloseWrite()
	}
	if err == nil {
		_, err = io.Copy(io.Discard, conn)
	}
	return errors.Join(err, conn.Close())
}

// watched waits until a packet socket of this network namespace hears all
// devices.
func watched(ctx context.Context) error {
	for {
		table, err := os.ReadFile("/proc/self/net/packet")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(table)) {
			// sk RefCnt Type Proto Iface R Rmem User Inode; protocol 3 is all.
			f := strings.Fields(line)
			if len(f) > 5 && f[3] == "0003" && f[4] == "0" && f[5] == "1" {
				return nil
			}
		}
		select {
		case <-time.After(talkGlance):
		case <-ctx.Done():
			return fmt.Errorf("nobody watches: %w", ctx.Err())
		}
	}
}
