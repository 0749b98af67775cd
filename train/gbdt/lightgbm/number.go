package lightgbm

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// errInfinite is the error for infinite values, which LightGBM reads as 1e308 and which
// no tree can order sensibly.
var errInfinite = errors.New("infinite values are not supported")

// parseNumber reads a number as LightGBM does unless precise_float_parser is set: it
// reads the digits before and after the point as two numbers, adds them and multiplies
// with the power of ten, each step rounded. The result may be off by some units in the
// last place, and so are the thresholds of LightGBM's models. An empty field, a sign
// alone, na, nan and null are NaN; an e without digits behind it counts for nothing.
func parseNumber(s string) (float64, error) {
	s = strings.Trim(s, " ")
	sign, digits := 1.0, s
	if s != "" {
		switch s[0] {
		case '-':
			sign, digits = -1, s[1:]
		case '+':
			digits = s[1:]
		}
	}
	if digits == "" || !numeric(digits[0]) {
		return parseWord(s, digits)
	}
	whole, rest, _ := number(digits)
	value := whole
	if rest != "" && rest[0] == '.' {
		fraction, after, n := number(rest[1:])
		value += fraction / power(10, n)
		rest = after
	}
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		rest = rest[1:]
		negative := strings.HasPrefix(rest, "-")
		if negative || strings.HasPrefix(rest, "+") {
			rest = rest[1:]
		}
		exponent, after, _ := number(rest)
		rest = after
		if scale := powerOfTen(exponent); negative {
			value /= scale
		} else {
			value *= scale
		}
	}
	if rest != "" {
		return 0, fmt.Errorf("%q is not a number", clip(s))
	}
	value *= sign
	if math.IsInf(value, 0) {
		return 0, errInfinite
	}
	return value, nil
}

func numeric(c byte) bool { return c >= '0' && c <= '9' || c == '.' || c == 'e' || c == 'E' }

// number reads leading digits and returns what follows them and how many they are.
func number(s string) (v float64, rest string, n int) {
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		v = float64(v*10) + float64(s[n]-'0')
		n++
	}
	return v, s[n:], n
}

// power is base to the n >= 0, multiplied in LightGBM's order, which decides the
// rounding beyond 10^22.
func power(base float64, n int) float64 {
	switch {
	case n == 0:
		return 1
	case n%2 == 0:
		return power(base*base, n/2)
	case n%3 == 0:
		return power(base*base*base, n/3)
	}
	return base * power(base, n-1)
}

// powerOfTen is 10 to the n, at most 10^308, multiplied in LightGBM's order.
func powerOfTen(n float64) float64 {
	rest, out := int(min(n, 308)), 1.0
	for _, step := range []struct {
		n int
		v float64
	}{{50, 1e50}, {8, 1e8}, {1, 10}} {
		for rest >= step.n {
			out *= step.v
			rest -= step.n
		}
	}
	return out
}

// parseExact reads a number to the nearest float64, as LightGBM does with
// precise_float_parser. White space may stand before it only, and nan is the one word for
// a missing value.
func parseExact(s string) (float64, error) {
	t := strings.TrimLeft(s, " \f\v\t")
	digits := strings.TrimPrefix(strings.TrimPrefix(t, "+"), "-")
	if t == "" {
		return 0, errors.New("a value is missing: with precise_float_parser it must be nan")
	}
	if digits == "" || !(digits[0] >= '0' && digits[0] <= '9' || digits[0] == '.') {
		switch strings.ToLower(digits) {
		case "", "na", "null":
			return 0, fmt.Errorf("%q is not a number: with precise_float_parser a missing value must be nan", clip(s))
		}
		return parseWord(s, digits)
	}
	v, err := strconv.ParseFloat(t, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errInfinite
	case err != nil || strings.ContainsAny(t, "xX_"): // of Go, not of C
		return 0, fmt.Errorf("%q is not a number", clip(s))
	}
	return v, nil
}

// parseWord reads the words among numbers; s is the field, and word it without a sign.
func parseWord(s, word string) (float64, error) {
	switch strings.ToLower(word) {
	case "", "na", "nan", "null":
		return math.NaN(), nil
	case "inf", "infinity":
		return 0, errInfinite
	}
	return 0, fmt.Errorf("%q is not a number", clip(s))
}

// clip shortens what an error quotes.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
