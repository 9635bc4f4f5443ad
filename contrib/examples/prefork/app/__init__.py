"""app: what the workers of this example do. Functions that take strings or
numbers, block until they are done, and raise what went wrong."""
