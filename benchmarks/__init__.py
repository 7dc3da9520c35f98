"""Side-by-side timings; ``python -m benchmarks`` prints one table.  BLAS runs on one thread."""

import os

# before numpy loads its BLAS
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
