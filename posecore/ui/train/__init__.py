"""Train: set up and follow fine-tuning."""
