"""Training runs: set up, list, show, act on."""
