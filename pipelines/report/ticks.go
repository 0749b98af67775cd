package report

import (
	"math"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot"
)

// linearTicks are the fewest ticks at 1, 2, 2.5 or 5 times a power of ten that are at
// least n.
func linearTicks(n int, format func(x float64, decimals int) string) plot.TickerFunc {
	return func(lo, hi float64) []plot.Tick {
		if !(hi > lo) || !finite(hi-lo) {
			return nil
		}
		slack := 1e-9 * (hi - lo)
		power := math.Floor(math.Log10(hi - lo))
		for ; ; power-- {
			for _, m := range []float64{5, 2.5, 2, 1} {
				step := m * math.Pow(10, power)
				first, last := math.Ceil((lo-slack)/step), math.Floor((hi+slack)/step)
				if last-first+1 < float64(n) {
					continue
				}
				decimals := max(0, -int(power))
				if m == 2.5 {
					decimals = max(0, 1-int(power))
				}
				var ticks []plot.Tick
				for i := range int(last-first) + 1 {
					x := (first + float64(i)) * step
					if x == 0 {
						x = 0 // not its negative
					}
					ticks = append(ticks, plot.Tick{Value: x, Label: format(x, decimals)})
				}
				return ticks
			}
		}
	}
}

// plain writes a tick with as many decimals as the step needs.
func plain(x float64, decimals int) string {
	switch a := math.Abs(x); {
	case x == 0:
		return "0"
	case a >= 1e7 || decimals > 4:
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(x, 'e', 2, 64), "e")
		if strings.Contains(mantissa, ".") {
			mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
		}
		return minus(mantissa) + "×10" + superscript(exponent)
	case decimals == 0:
		return integer(int64(math.Round(x)))
	}
	whole, fraction := math.Modf(math.Abs(x))
	digits := strconv.FormatFloat(fraction, 'f', decimals, 64)
	if strings.HasPrefix(digits, "1") { // the fraction was rounded up to one
		whole++
	}
	s := integer(int64(whole)) + digits[1:]
	if x < 0 {
		s = "−" + s
	}
	return s
}

// percentTick writes a share as a percentage.
func percentTick(x float64, decimals int) string { return plain(100*x, max(0, decimals-2)) + " %" }

// logTicks are the powers of ten, with 2 and 5 between them while there are few.
func logTicks(lo, hi float64) []plot.Tick {
	if !(lo > 0) || !(hi > lo) || !finite(hi) {
		return nil
	}
	from, to := int(math.Floor(math.Log10(lo))), int(math.Ceil(math.Log10(hi)))
	decades := math.Log10(hi / lo)
	every := max(1, (to-from+7)/8)
	var ticks []plot.Tick
	for e := from; e <= to; e++ {
		for m := 1; m <= 9; m++ {
			x := float64(m) * math.Pow(10, float64(e))
			if x < lo*(1-1e-9) || x > hi*(1+1e-9) {
				continue
			}
			labelled := m == 1 && (e-from)%every == 0 || decades <= 3 && (m == 2 || m == 5) || decades <= 0.6
			switch {
			case labelled:
				ticks = append(ticks, plot.Tick{Value: x, Label: plain(x, max(0, -e))})
			case every == 1:
				ticks = append(ticks, plot.Tick{Value: x})
			}
		}
	}
	return ticks
}

// logScale is plot.LogScale for ranges that are known to be positive.
type logScale struct{}

// Normalize implements plot.Normalizer.
func (logScale) Normalize(lo, hi, x float64) float64 {
	if !(lo > 0) || !(hi > lo) || !(x > 0) {
		return 0
	}
	return math.Log(x/lo) / math.Log(hi/lo)
}

const day = 24 * time.Hour

// timeTicks are at most n ticks at full minutes, hours or days UTC; the x are seconds
// since 1970. The date stands under the first label and under every midnight.
func timeTicks(n int) plot.TickerFunc {
	return func(lo, hi float64) []plot.Tick {
		if !(hi > lo) || !finite(hi-lo) {
			return nil
		}
		step := 0.0
		for _, d := range []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
			time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 2 * day, 3 * day, 7 * day, 14 * day, 28 * day} {
			if step = d.Seconds(); (hi-lo)/step <= float64(n) {
				break
			}
		}
		for (hi-lo)/step > float64(n) {
			step *= 2
		}
		var ticks []plot.Tick
		for i := range 2 * n {
			x := (math.Ceil(lo/step) + float64(i)) * step
			if x > hi {
				break
			}
			t := time.Unix(int64(x), 0).UTC()
			date := t.Format("2 Jan")
			if hi-lo > (300 * day).Seconds() {
				date = t.Format("2006-01-02")
			}
			label := date
			if step < day.Seconds() {
				clock := t.Format("15:04")
				if step < 60 {
					clock = t.Format("15:04:05")
				}
				if label = clock + "\n "; len(ticks) == 0 || t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 {
					label = clock + "\n" + date
				}
			}
			ticks = append(ticks, plot.Tick{Value: x, Label: label})
		}
		return ticks
	}
}

// secondsOf are the times as seconds since 1970.
func secondsOf(ts []time.Time) []float64 {
	out := make([]float64, len(ts))
	for i, t := range ts {
		out[i] = float64(t.Unix()) + float64(t.Nanosecond())/1e9
	}
	return out
}

// spanOf is the range of the times on an axis, at least a minute.
func spanOf(xs []float64) limits {
	l := noLimits()
	for _, x := range xs {
		l.add(x)
	}
	if l.hi-l.lo < 1 {
		return limits{l.lo - 30, l.lo + 30}
	}
	return l
}
