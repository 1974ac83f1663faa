package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progressInterval is how often the bar moves.
const progressInterval = 200 * time.Millisecond

// clearLine takes the bar off the terminal's last line.
const clearLine = "\r\x1b[2K"

// Progress shows on a terminal how far a run has come. It is safe for
// concurrent use, so that a signal's handler may ask for Line.
type Progress struct {
	mu          sync.Mutex
	w           io.Writer // nil for no bar
	columns     int
	drawn       bool
	began, at   time.Time
	done, total int64
	text        string
}

// NewProgress returns a Progress that draws its bar on w, which must be a
// terminal of that many columns; with a nil w there is no bar, but Line works.
func NewProgress(w io.Writer, columns int) *Progress {
	return &Progress{w: w, columns: columns, began: time.Now()}
}

// Update says how much of the total is done, and the same in words. The zero
// total is one that is not known. It may be called as often as one likes.
func (p *Progress) Update(done, total int64, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total, p.text = done, total, text
	if now := time.Now(); p.w != nil && now.Sub(p.at) >= progressInterval {
		p.at = now
		p.draw()
	}
}

// Line returns the state of affairs in one line, without a line feed:
// the words of the last update, the rate, and the time that is left, as in
// "12,345 of 65,535 ports, 12 open, 998/s, 53.3 s left".
func (p *Progress) Line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.line()
}

func (p *Progress) line() string {
	text, elapsed := p.text, time.Since(p.began)
	if p.done == 0 || elapsed <= 0 {
		return text
	}
	rate := float64(p.done) / elapsed.Seconds()
	if whole := int64(rate + 0.5); whole > 0 {
		text += ", " + Grouped(whole) + "/s"
	}
	if p.done < p.total {
		left := time.Duration(float64(p.total-p.done) / rate * float64(time.Second))
		text += ", " + span(left) + " left"
	}
	return text
}

// draw writes the bar over what stands in the line.
func (p *Progress) draw() {
	const cells = 12
	line := p.line()
	if p.total > 0 {
		done := min(p.done, p.total)
		filled := int(cells * done / p.total)
		bar := strings.Repeat("=", filled) + strings.Repeat(" ", cells-filled)
		line = fmt.Sprintf("[%s] %3d%% %s", bar, 100*done/p.total, line)
	}
	if len(line) >= p.columns {
		line = line[:max(p.columns-1, 0)] // a wrapped bar could not be cleared
	}
	p.write(clearLine + line)
	p.drawn = true
}

// clear takes the bar away until the next update.
func (p *Progress) clear() {
	if p.drawn {
		p.write(clearLine)
		p.drawn = false
	}
}

// write gives the bar up when the terminal is gone.
func (p *Progress) write(s string) {
	if _, err := io.WriteString(p.w, s); err != nil {
		p.w, p.drawn = nil, false
	}
}

// Writer returns a writer to w that takes the bar away first. Whatever may
// appear on the bar's terminal must go through one, in whole lines.
func (p *Progress) Writer(w io.Writer) io.Writer { return &barredWriter{w, p} }

type barredWriter struct {
	w io.Writer
	p *Progress
}

func (b *barredWriter) Write(text []byte) (int, error) {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	b.p.clear()
	return b.w.Write(text)
}

// Finish takes the bar away for good.
func (p *Progress) Finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.w = nil
}
