//go:build peers

package report

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// measureLadder looks at a page of ladders, or at the image, as a reader would.
const measureLadder = `(() => {
	const seen = e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height > 0 };
	const all = s => [...document.querySelectorAll(s)];
	for (const s of all("section")) s.style.contentVisibility = "visible";
	const ladders = all("svg.ladder").filter(seen);
	const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2;
	const texts = all("text, p, dt, dd, th, td, h1, h2, h3, li").filter(seen);
	return {
		scripts: document.scripts.length,
		ladders: ladders.length,
		segments: all(".segment").filter(seen).length,
		titles: all(".segment > title").filter(e => seen(e.parentNode)).length,
		overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
		outside: ladders.flatMap(ladder => [...ladder.querySelectorAll("text")].filter(e => {
			const r = e.getBoundingClientRect(), box = ladder.getBoundingClientRect();
			return r.left < box.left - 1 || r.right > box.right + 1 || r.top < box.top - 1 || r.bottom > box.bottom + 1;
		}).map(e => e.textContent)),
		cut: all("section, .card, .key div").filter(seen).filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 60)),
		overlaps: ladders.flatMap(ladder => {
			const boxes = [...ladder.querySelectorAll("text")].map(e => [e.textContent, e.getBoundingClientRect()]);
			return boxes.flatMap(([name, box], i) => boxes.slice(i + 1, i + 40).filter(other => meet(box, other[1])).map(other => name + " and " + other[0]));
		}),
		smallest: Math.min(...texts.map(e => parseFloat(getComputedStyle(e).fontSize))),
		faint: texts.filter(e => {
			const rgb = s => { const c = s.match(/[\d.]+/g).map(Number); return c.length > 3 && c[3] === 0 ? null : c };
			const light = c => { const f = x => (x /= 255) <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4; return .2126 * f(c[0]) + .7152 * f(c[1]) + .0722 * f(c[2]) };
			const style = getComputedStyle(e), ink = rgb(e instanceof SVGElement ? style.fill : style.color);
			let ground = null;
			for (let p = e; p && !ground; p = p.parentElement) ground = rgb(getComputedStyle(p).backgroundColor);
			const page = document.querySelector("svg > rect.page");
			if (page) ground = rgb(getComputedStyle(page).fill);
			const [a, b] = [light(ink), light(ground || [255, 255, 255])].sort((a, b) => b - a);
			return (a + .05) / (b + .05) < 4.5;
		}).map(e => e.textContent),
	};
})()`

// TestLaddersInChromium opens the page and the image as the user will, on a
// desk and on a phone, in the light and in the dark.
func TestLaddersInChromium(t *testing.T) {
	dir := t.TempDir()
	text := severalLadders(t)
	const ladders, segments = 9, 84
	b := openBrowser(t)
	for _, c := range []struct {
		format   Format
		absolute bool
		widths   []int
		ladders  int
	}{
		{FormatHTML, false, []int{1200, 900, 360}, ladders},
		{FormatHTML, true, []int{1200, 360}, ladders},
		{FormatSVG, false, []int{1200, 800}, 1},
		{FormatSVG, true, []int{1200}, 1},
	} {
		file := filepath.Join(dir, fmt.Sprintf("ladder-%v.%s", c.absolute, c.format))
		if err := os.WriteFile(file, []byte(pageOf(t, c.format, Views{Absolute: c.absolute}, text, true)), 0o666); err != nil {
			t.Fatal(err)
		}
		for _, width := range c.widths {
			for _, scheme := range []string{"light", "dark"} {
				b.show(file, width, scheme)
				name := fmt.Sprintf("%s-%d-%s", filepath.Base(file), width, scheme)
				b.picture(name)
				var page struct {
					Scripts, Ladders, Segments, Titles int
					Outside, Overlaps, Cut, Faint      []string
					Overflow, Smallest                 float64
				}
				b.evaluate(measureLadder, &page)
				tips := segments
				if width < 832 && c.format == FormatHTML {
					tips = 0 // nothing points on a phone
				}
				if page.Scripts != 0 || page.Ladders != c.ladders || page.Segments != segments || page.Titles != tips {
					t.Errorf("%s: %d scripts, %d ladders, %d segments, %d titles", name, page.Scripts, page.Ladders, page.Segments, page.Titles)
				}
				if page.Overflow > 0 || page.Smallest < 11 || len(page.Outside)+len(page.Overlaps)+len(page.Cut)+len(page.Faint) > 0 {
					t.Errorf("%s: %v too wide, letters of %v pixels, outside: %q, one on the other: %q, cut off: %q, faint: %q",
						name, page.Overflow, page.Smallest, page.Outside, page.Overlaps, page.Cut, page.Faint)
				}
			}
		}
	}
	for _, trouble := range b.trouble {
		t.Errorf("the page complains: %s", trouble)
	}
}
