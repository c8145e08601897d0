"""Training: the configuration, the engine, and what it records; the registry of runs is ``posecore.runs``."""
