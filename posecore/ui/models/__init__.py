"""Models: what there is and how to get more."""
