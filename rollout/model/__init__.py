"""The nouns: frozen values and the fold. No I/O, no clock: time is an argument, in seconds since the epoch."""
