package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const dash = "–" // stands for a number that is missing

// integer writes n with commas between the thousands.
func integer(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// number writes x to about three significant digits: commas between the thousands, no
// exponent between 0.001 and 10^15.
func number(x float64) string {
	a := math.Abs(x)
	switch {
	case !finite(x):
		return dash
	case a == 0:
		return "0"
	case a >= 1e15 || a < 5e-4:
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(x, 'e', 1, 64), "e")
		return minus(mantissa) + "×10" + superscript(exponent)
	case a >= 99.95:
		return integer(int64(math.Round(x)))
	case a >= 9.995:
		return minus(strconv.FormatFloat(x, 'f', 1, 64))
	case a >= 0.9995:
		return minus(strconv.FormatFloat(x, 'f', 2, 64))
	}
	return minus(strconv.FormatFloat(x, 'f', 3, 64))
}

// minus replaces the hyphen before a number by a minus sign, which is as wide as a digit.
func minus(s string) string { return strings.Replace(s, "-", "−", 1) }

func superscript(exponent string) string {
	n, err := strconv.Atoi(exponent)
	if err != nil {
		return exponent
	}
	return strings.NewReplacer("-", "⁻", "0", "⁰", "1", "¹", "2", "²", "3", "³", "4", "⁴",
		"5", "⁵", "6", "⁶", "7", "⁷", "8", "⁸", "9", "⁹").Replace(strconv.Itoa(n))
}

// percent writes a share of 1 as a percentage.
func percent(x float64) string {
	p := 100 * x
	a := math.Abs(p)
	switch {
	case !finite(p):
		return dash
	case a == 0, a >= 99.95 && a <= 100.05:
		return minus(strconv.FormatFloat(p, 'f', 0, 64)) + " %"
	case a < 0.1:
		return number(p) + " %"
	}
	return minus(strconv.FormatFloat(p, 'f', 1, 64)) + " %"
}

// level writes a share as percent does, without decimals where there are none.
func level(x float64) string {
	if p := math.Round(100 * x); math.Abs(100*x-p) < 1e-9 {
		return minus(strconv.FormatFloat(p, 'f', 0, 64)) + " %"
	}
	return percent(x)
}

// milliseconds writes a duration of x ms in the unit that reads best.
func milliseconds(x float64) string {
	switch {
	case !finite(x):
		return dash
	case math.Abs(x) >= 999.5:
		return seconds(x / 1000)
	}
	return number(x) + " ms"
}

// seconds writes a duration of x s in the unit that reads best.
func seconds(x float64) string {
	switch a := math.Abs(x); {
	case !finite(x):
		return dash
	case a >= 7200:
		return number(x/3600) + " h"
	case a >= 120:
		return number(x/60) + " min"
	case a < 1 && a > 0:
		return number(x*1000) + " ms"
	}
	return number(x) + " s"
}

// size writes a number of bytes.
func size(n int64) string {
	x := float64(n)
	for _, unit := range []string{"B", "KB", "MB", "GB"} {
		if x < 1024 {
			return number(x) + " " + unit
		}
		x /= 1024
	}
	return number(x) + " TB"
}

// span writes a number of days.
func span(days float64) string {
	switch {
	case !finite(days) || days <= 0:
		return dash
	case days < 2:
		return strconv.FormatFloat(math.Round(days*240)/10, 'f', -1, 64) + " h"
	}
	return strconv.FormatFloat(math.Round(days*10)/10, 'f', -1, 64) + " days"
}

// moment writes a time in UTC to the minute.
func moment(t time.Time) string {
	if t.IsZero() {
		return dash
	}
	return t.UTC().Format("2006-01-02 15:04") + " UTC"
}

// digest shortens a digest to what a person compares.
func digest(s string) string {
	algorithm, hex, ok := strings.Cut(s, ":")
	if !ok {
		algorithm, hex = "", s
	} else {
		algorithm += ":"
	}
	if len(hex) <= 12 {
		return s
	}
	return algorithm + hex[:12] + "…"
}

// list joins words as a sentence does.
func list(words []string) string {
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}

// count writes n things: count(1, "request") is "1 request".
func count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%s %ss", integer(n), thing)
}

// words writes an identifier as words: "log_linear" is "log linear".
func words(s string) string { return strings.ReplaceAll(s, "_", " ") }

// capital begins a sentence or a title.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// printable replaces what would break a line, move the cursor or break a document.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\ufffe' || r == '\uffff' || r == '\ufffd' || r == '\u2028' || r == '\u2029' {
		return ' '
	}
	return r
}
