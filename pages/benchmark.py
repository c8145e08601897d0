"""Benchmark: how long this machine takes, by model, runtime and settings."""

from posecore.ui.benchmark.page import main

main()
