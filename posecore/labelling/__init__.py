"""Labelling with a model's help: what it proposes, what of that is confirmed, and what people change."""
