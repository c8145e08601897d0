"""Video: people found, tracked, smoothed and measured over time."""
