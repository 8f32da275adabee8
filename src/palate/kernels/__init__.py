"""Numba kernels: arrays in, arrays out, single-threaded and nogil; the equation stands on top of each file."""
