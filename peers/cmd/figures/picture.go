package main

import (
	"fmt"
	"math"
	"strings"

	"cloud-autojoin/peers/program"
)

// series is one line of a panel.
type series struct {
	label, colour  string
	dash           string
	case_, program string
}

var lines = []series{
	{"go-discover v1.4.0", "#b45309", "", "5 by tag", program.Newest.Name},
	{"go-discover v1.3.0 (first page only)", "#d97706", "5 4", "5 by tag", program.Pinned.Name},
	{"discover", "#1d4ed8", "", "5 by tag", program.Ours.Name},
	{"discover, lookup=index", "#0891b2", "", "5 by tag, lookup=index", program.Ours.Name},
}

const (
	panelWidth, panelHeight = 300.0, 240.0
	left, top, between      = 64.0, 64.0, 96.0
)

// picture is what finding five tagged interfaces costs, against the size of the subscription, both
// axes in powers of ten.
func picture(data Data) string {
	var text strings.Builder
	width, height := left+2*panelWidth+between+48, top+panelHeight+120
	fmt.Fprintf(&text, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" font-family="system-ui, sans-serif" font-size="12" fill="#1f2937">`+"\n", width, height, width, height)
	fmt.Fprintf(&text, `<rect width="%g" height="%g" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(&text, `<text x="%g" y="24" font-size="15" font-weight="600">Five tagged interfaces in a subscription of many: what finding them costs</text>`+"\n", left-40)
	panel(&text, data, left, "CPU time", 0, func(call Call) float64 { return call.CPUMs })
	panel(&text, data, left+panelWidth+between, "Time until the result, at 50 ms a request", 50, func(call Call) float64 { return call.WallMs })
	for i, line := range lines {
		x, y := left+float64(i%2)*(panelWidth+between), top+panelHeight+66+float64(i/2)*22
		fmt.Fprintf(&text, `<line x1="%g" y1="%g" x2="%g" y2="%g" stroke="%s" stroke-width="2.5" stroke-dasharray="%s"/><text x="%g" y="%g">%s</text>`+"\n", x, y-4, x+28, y-4, line.colour, line.dash, x+36, y, line.label)
	}
	fmt.Fprintf(&text, `<text x="%g" y="%g" fill="#6b7280" font-size="11">%s; %s; medians of %d; peers/run figures</text>`+"\n</svg>\n", left-40, height-8, data.Date, data.Machine, data.Runs)
	return text.String()
}

func panel(text *strings.Builder, data Data, x float64, title string, latency int, of func(Call) float64) {
	low, high := math.Inf(1), math.Inf(-1)
	var drawn [][]Call
	for _, line := range lines {
		var calls []Call
		for _, call := range data.Calls {
			if call.Case == line.case_ && call.Program == line.program && call.LatencyMs == latency && call.Exit == 0 {
				calls = append(calls, call)
				low, high = min(low, of(call)), max(high, of(call))
			}
		}
		drawn = append(drawn, calls)
	}
	if math.IsInf(low, 1) {
		return
	}
	low, high = math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	const smallest, largest = 1000, 100_000
	across := func(size int) float64 {
		return x + panelWidth*(math.Log10(float64(size))-math.Log10(smallest))/(math.Log10(largest)-math.Log10(smallest))
	}
	up := func(value float64) float64 { return top + panelHeight*(high-math.Log10(value))/(high-low) }

	fmt.Fprintf(text, `<text x="%g" y="%g" font-weight="600">%s</text>`+"\n", x, top-14, title)
	for power := low; power <= high; power++ {
		y := up(math.Pow(10, power))
		fmt.Fprintf(text, `<line x1="%g" y1="%.1f" x2="%g" y2="%.1f" stroke="#e5e7eb"/><text x="%g" y="%.1f" text-anchor="end" fill="#6b7280">%s</text>`+"\n", x, y, x+panelWidth, y, x-8, y+4, duration(math.Pow(10, power)))
	}
	for size := smallest; size <= largest; size *= 10 {
		fmt.Fprintf(text, `<line x1="%.1f" y1="%g" x2="%.1f" y2="%g" stroke="#9ca3af"/><text x="%.1f" y="%g" text-anchor="middle" fill="#6b7280">%s</text>`+"\n", across(size), top+panelHeight, across(size), top+panelHeight+5, across(size), top+panelHeight+20, thousands(size))
	}
	fmt.Fprintf(text, `<text x="%g" y="%g" text-anchor="middle" fill="#6b7280">interfaces in the subscription</text>`+"\n", x+panelWidth/2, top+panelHeight+38)
	for i, line := range lines {
		var points []string
		for _, call := range drawn[i] {
			points = append(points, fmt.Sprintf("%.1f,%.1f", across(call.Size), up(of(call))))
			fmt.Fprintf(text, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"><title>%s, %s: %s</title></circle>`+"\n", across(call.Size), up(of(call)), line.colour, line.label, thousands(call.Size), duration(of(call)))
		}
		fmt.Fprintf(text, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2.5" stroke-dasharray="%s"/>`+"\n", strings.Join(points, " "), line.colour, line.dash)
	}
}

func duration(milliseconds float64) string {
	if milliseconds >= 1000 {
		return number(milliseconds/1000) + " s"
	}
	return number(milliseconds) + " ms"
}
