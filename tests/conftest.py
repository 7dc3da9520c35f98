"""What all tests share: one BLAS thread, quick compilation, a fixed hypothesis profile."""

from __future__ import annotations

import os
import signal

# before numpy loads its BLAS: several test processes share few cores
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# the code of a test runs a few times at most: half of its time would go into optimising what XLA compiles
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

# the first example compiles, so that no deadline means anything; the same examples in every run
settings.register_profile("ntkcont", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ntkcont")


@pytest.fixture
def ctrl_c():
    """Python's own handler: processes started in the background are born ignoring Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
