package report

import (
	"html/template"
	"strconv"
	"strings"
)

// ladderPicture is what the template of the image is filled with.
type ladderPicture struct {
	Title, Description string
	Width, Height      int
	Style              template.CSS
	Inside             template.HTML
}

// imageStyle is of what documents write outside of their pictures.
const imageStyle = `.ladder .heading { font: 600 16px/1 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
.ladder .story, .ladder .worry { font: 13px/1 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; fill: var(--soft); }
.ladder .worry { fill: var(--late); }
.ladder .page { fill: var(--card); }
`

// imageMargin is around the ladders of an image.
const imageMargin = 20

// image draws all connections, one below the other.
func (p *ladderPage) image() ladderPicture {
	z := wideLadder()
	k := &sketch{ladderSize: z}
	prose := func(class, text string) {
		// Prose is narrower than the letters of labels.
		for line := range strings.Lines(Wrap(micros(text), "", z.width/7)) {
			k.y += 18
			k.text(class, "", 0, k.y, strings.TrimSuffix(line, "\n"))
		}
		k.b.WriteString("\n")
	}
	if len(p.list) != 1 {
		prose("heading", p.title())
	}
	var stories []string
	for _, n := range p.notes() {
		prose("worry", n.Text+" "+n.Hint)
	}
	for _, t := range p.list {
		if t.n > 1 || k.y > 0 {
			k.y += 20
		}
		prose("heading", "#"+strconv.Itoa(t.n)+" "+t.name())
		story := closeStory(t.Connection)
		stories = append(stories, t.name()+": "+story)
		prose("story", story+"; "+figuresStory(t.Connection))
		for _, trouble := range troubles(t.Connection) {
			prose("worry", trouble)
		}
		k.y += 8
		inside, height := drawLadder(t, z)
		k.printf(`<g transform="translate(0 %s)">`+"\n%s</g>\n", plainNumber(k.y), inside)
		k.y += float64(height)
	}
	if len(p.list) == 0 {
		prose("story", "No segment of TCP was seen.")
	}
	return ladderPicture{
		Title: p.title(), Description: micros(strings.Join(stories, "; ")), Style: resolved(ladderStyle + imageStyle),
		Width: z.width + 2*imageMargin, Height: int(k.y) + 2*imageMargin,
		Inside: template.HTML(`<g transform="translate(` + strconv.Itoa(imageMargin) + " " + strconv.Itoa(imageMargin) + ")\">\n" + k.b.String() + "</g>\n"),
	}
}
