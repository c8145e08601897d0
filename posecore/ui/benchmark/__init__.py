"""The Benchmark page: how long this machine takes, by model, runtime and settings."""
