"""May a fit be believed: what the optimiser, the data, the design and the law itself have to say, one question a file."""
