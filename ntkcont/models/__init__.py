"""Models: one right-hand side, compiled for the continuation and traceable for the kernels."""
