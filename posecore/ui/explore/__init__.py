"""Explore: a picture, its poses, and what the network saw."""
