"""What computes a network: PyTorch itself, or another runtime that its graph is converted for."""
