"""Benchmarks of ntkcont: ``python -m benchmarks`` prints one table and writes it as JSON and as a picture.

All numbers are those of one BLAS thread; ratios are taken between things measured in turn.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # before numpy loads its BLAS
    os.environ[name] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")
