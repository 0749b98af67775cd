package bundle

// Lock lets tests hold a registry's lock.
var Lock = lock
