"""Training: the configuration, the engine, and the registry of runs."""
