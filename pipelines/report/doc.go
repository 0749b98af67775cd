// Package report turns what a run found into one page: an HTML file that needs no
// script, no font and no network, and a summary for the terminal.
//
// [Data] is the whole content. A run stores it in its folder as report.json
// ([Encode], [Decode]), so that the page can be made again without the run. [Render]
// writes the page and [Summary] the summary; both depend on the Data alone, so equal
// Data give equal bytes. What depends on the clock stands in [Data.Timing].
//
// A section whose value is nil is left out, and the page says why in the words of
// [Data.Absent]. Numbers that are missing are NaN in Go and null in JSON ([null.Float],
// [Values]); no figure and no table shows them as a number.
//
// Every figure is drawn by gonum/plot as SVG and states its finding in the caption, in
// a sentence computed from the numbers. Colours are CSS variables with the light
// theme's colour as the fallback, so a figure follows the page into the dark and
// still looks right when it is cut out and put into a paper.
package report
