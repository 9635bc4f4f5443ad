"""svdfloor: what floor.py is made of.

    loading    options, modules, what became of them; owns the floor's life
    library    the way to svd through libsvdfloor.so
    protocol   the way to svd in nothing but Python, where that cannot be had
    worker     a worker's life, from its START to its exit status
    report     exceptions as text

The two ways have the same methods: failed, loaded, serve, exception, late.
"""
