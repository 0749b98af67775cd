// Package seed derives independent streams of random numbers from one seed.
//
// Every purpose has its own stream, named by a string, so that one more draw in
// one place shifts nothing in another; and a draw that belongs to an item (a
// request, a function) is a function of the item's number, so that it does not
// depend on who asks first or on how many workers there are.
package seed

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// Stream returns the generator of the purpose name under seed.
func Stream(seed uint64, name string) *rand.Rand {
	return rand.New(rand.NewPCG(seed, Key(seed, name)))
}

// Key hashes (seed, name) to the 64-bit key of a purpose, for use with Uniform and Normal.
func Key(seed uint64, name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash never returns an error
	return mix(h.Sum64() ^ mix(seed))
}

// Uniform returns the i-th draw of the purpose key, uniform on [0, 1).
func Uniform(key, i uint64) float64 {
	return float64(bits(key, i)>>11) * 0x1p-53
}

// Normal returns the i-th draw of the purpose key from the standard normal
// distribution, by the method of Box and Muller (1958).
func Normal(key, i uint64) float64 {
	u := 1 - Uniform(key, 2*i) // (0, 1]: the logarithm is finite
	v := Uniform(key, 2*i+1)
	return math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*v)
}

func bits(key, i uint64) uint64 { return mix(key + i*0x9e3779b97f4a7c15) }

// mix is the output function of SplitMix64 (Steele, Lea and Flood, "Fast
// Splittable Pseudorandom Number Generators", OOPSLA 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
