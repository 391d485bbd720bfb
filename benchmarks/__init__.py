"""Measurements, one claim a module: `python -m benchmarks.NAME [--quick]`."""
