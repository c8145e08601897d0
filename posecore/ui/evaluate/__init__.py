"""The Evaluate page: how good a model is on labelled pictures, what goes wrong, and for whom."""
