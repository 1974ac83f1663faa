//go:build peers

package report

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// browser is a headless Chromium with one page, spoken to in the DevTools
// protocol over two pipes: JSON messages that end with a zero octet.
type browser struct {
	t        *testing.T
	out      io.Writer
	in       *bufio.Reader
	session  string
	calls    int
	trouble  []string // what the page had to complain about
	finished map[string]bool
}

func openBrowser(t *testing.T) *browser {
	t.Helper()
	hearing, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in, talking, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// The document is our own, and Chromium's sandbox has no use for root.
	cmd := exec.Command("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--no-first-run", "--disable-breakpad", "--disable-background-networking", "--disable-component-update", "--proxy-server=127.0.0.1:9",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{hearing, talking}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hearing.Close()
	talking.Close()
	guard := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	b := &browser{t: t, out: out, in: bufio.NewReader(in), finished: map[string]bool{}}
	t.Cleanup(func() {
		b.session = ""
		b.call("Browser.close", nil, nil)
		if err := cmd.Wait(); err != nil {
			t.Errorf("chromium: %v\n%s", err, &complaints)
		}
		guard.Stop()
		out.Close()
		in.Close()
	})
	var target struct{ TargetID, SessionID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	b.session = target.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// message is anything that Chromium says.
type message struct {
	ID     int
	Method string
	Error  *struct{ Message string }
	Params json.RawMessage
	Result json.RawMessage
}

func (b *browser) receive() message {
	b.t.Helper()
	text, err := b.in.ReadBytes(0)
	if err != nil {
		b.t.Fatalf("chromium is gone: %v", err)
	}
	var m message
	if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
		b.t.Fatal(err)
	}
	switch m.Method {
	case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded":
		b.trouble = append(b.trouble, string(m.Params))
	}
	b.finished[m.Method] = true
	return m
}

// call sends a command and waits for its result.
func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	b.calls++
	command := map[string]any{"id": b.calls, "method": method}
	if params != nil {
		command["params"] = params
	}
	if b.session != "" {
		command["sessionId"] = b.session
	}
	text, err := json.Marshal(command)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.out.Write(append(text, 0)); err != nil {
		b.t.Fatal(err)
	}
	for {
		m := b.receive()
		if m.ID != b.calls {
			continue
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatal(err)
			}
		}
		return
	}
}

// show opens a document in a window of that width.
func (b *browser) show(file string, width int, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	delete(b.finished, "Page.loadEventFired")
	b.call("Page.navigate", map[string]any{"url": "file://" + file}, nil)
	for !b.finished["Page.loadEventFired"] {
		b.receive()
	}
}

// evaluate returns what an expression has for its value.
func (b *browser) evaluate(expression string, value any) {
	b.t.Helper()
	var reply struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct{ Text string }
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &reply)
	if reply.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, reply.ExceptionDetails.Text)
	}
	if err := json.Unmarshal(reply.Result.Value, value); err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
}

// picture keeps what the page looks like, for those who name a directory.
func (b *browser) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("TCPSCOPE_PICTURES")
	if dir == "" {
		return
	}
	var picture struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &picture)
	image, err := base64.StdEncoding.DecodeString(picture.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), image, 0o666)
	}
	if err != nil {
		b.t.Error(err)
	}
}

// measure looks at the page as a reader would.
const measure = `(() => {
	const seen = e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0 };
	const all = s => [...document.querySelectorAll(s)];
	// What is about to be scrolled to has no boxes before.
	for (const s of all("section")) s.style.contentVisibility = "visible";
	const texts = all("body *").filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && seen(e));
	return {
		scripts: document.scripts.length,
		charts: all("svg.chart").filter(seen).length,
		bars: all("svg.chart rect").filter(seen).length,
		lines: all("svg.chart path").filter(seen).length,
		marks: all("svg.chart use").length,
		headings: all("h2").map(e => e.textContent),
		overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
		outside: all("svg.chart text").filter(e => {
			const r = e.getBoundingClientRect(), box = e.closest("section").getBoundingClientRect();
			return r.left < box.left || r.right > box.right;
		}).map(e => e.textContent),
		overlaps: all("svg.chart").flatMap(chart => {
			const boxes = [...chart.querySelectorAll("text")].filter(seen).map(e => [e.textContent, e.getBoundingClientRect()]);
			const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
			return boxes.flatMap(([name, box], i) => boxes.slice(i + 1).filter(other => meet(box, other[1])).map(other => name + " and " + other[0]));
		}),
		smallest: Math.min(...texts.map(e => parseFloat(getComputedStyle(e).fontSize))),
	};
})()`

// TestHTMLInChromium opens a report as the user will, on a desk and on a
// phone, in the light and in the dark.
func TestHTMLInChromium(t *testing.T) {
	file := filepath.Join(t.TempDir(), "latency.html")
	if err := os.WriteFile(file, []byte(render(t, FormatHTML, latencyKinds, latencyReport()...)), 0o666); err != nil {
		t.Fatal(err)
	}
	b := openBrowser(t)
	for _, width := range []int{1200, 360} {
		for _, scheme := range []string{"light", "dark"} {
			b.show(file, width, scheme)
			b.picture(fmt.Sprintf("latency-%d-%s", width, scheme))
			var page struct {
				Scripts, Charts, Bars, Lines, Marks int
				Headings, Outside, Overlaps         []string
				Overflow, Smallest                  float64
			}
			b.evaluate(measure, &page)
			if page.Scripts != 0 || page.Charts != 5 || page.Bars != 16+5 || page.Lines != 2 || page.Marks != 4+1+1+1+10 {
				t.Errorf("%d %s: %+v", width, scheme, page)
			}
			if page.Overflow != 0 || page.Smallest < 11 || len(page.Outside)+len(page.Overlaps) > 0 {
				t.Errorf("%d %s: %v too wide, letters of %v pixels, cut off: %q, one on the other: %q",
					width, scheme, page.Overflow, page.Smallest, page.Outside, page.Overlaps)
			}
			if want := Escape(hostileName) + " (10.0.2.2:80)"; len(page.Headings) != 4 || page.Headings[1] != want {
				t.Errorf("%q, want %q", page.Headings, want)
			}
		}
	}
	for _, trouble := range b.trouble {
		t.Errorf("the page complains: %s", trouble)
	}
}
