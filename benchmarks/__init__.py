"""Benchmarks: each prints ratios between two things measured in one run. Start with ``python -m benchmarks.NAME``."""
