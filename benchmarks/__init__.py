"""Measurements, one claim a module: `python -m benchmarks.NAME [--quick]`."""

import os

# What is said "on one core" must be: numpy's matrix products would start a thread for each processor.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
