"""Runs: what training brought."""
