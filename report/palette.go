package report

import (
	"html/template"
	"strings"
)

// ink is a colour of documents and images, by day and by night.
type ink struct{ name, light, dark string }

// palette has a contrast of 4.5 at least between all that is read and what it
// stands on (WCAG 2.2, success criterion 1.4.3).
func palette() []ink {
	return []ink{
		{"page", "#f4f6f8", "#101418"},
		{"card", "#fff", "#1a2027"},
		{"text", "#1b2127", "#e5e9ed"},
		{"soft", "#5a6672", "#9aa7b3"},
		{"rule", "#dde3e8", "#303a44"},
		{"data", "#1f66c1", "#6cabff"},
		{"bad", "#c0271d", "#ff8279"},
		{"late", "#a15c00", "#f0b04c"},
		{"mark", "#10757a", "#58c7c2"},
		{"end", "#7b3fb3", "#c79cff"},
		{"good", "#1f7a3d", "#5fcf8b"},
		{"alarm", "#fdecea", "#3a1a1a"},
		{"notice", "#fff6e0", "#332a15"},
	}
}

// night begins the style of those who read in the dark.
const night = "@media (prefers-color-scheme: dark) {\n"

// paletteStyle defines the colours for a document.
func paletteStyle() template.CSS {
	var light, dark strings.Builder
	for _, i := range palette() {
		light.WriteString(" --" + i.name + ": " + i.light + ";")
		dark.WriteString(" --" + i.name + ": " + i.dark + ";")
	}
	return template.CSS(":root { color-scheme: light dark;" + light.String() + " }\n" + night + ":root {" + dark.String() + " }\n}\n")
}

// resolved puts the colours themselves in place of their names, for images:
// much of what shows them knows no variables.
func resolved(style string) template.CSS {
	var light, dark []string
	for _, i := range palette() {
		name := "var(--" + i.name + ")"
		light, dark = append(light, name, i.light), append(dark, name, i.dark)
	}
	return template.CSS(strings.NewReplacer(light...).Replace(style) + night + strings.NewReplacer(dark...).Replace(style) + "}\n")
}
