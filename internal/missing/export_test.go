package missing

var Words = words
