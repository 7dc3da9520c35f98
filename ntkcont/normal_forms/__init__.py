"""Normal form coefficients of special points."""
