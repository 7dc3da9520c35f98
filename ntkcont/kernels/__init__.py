"""Compiled kernels: numba only, arrays in and out."""
