"""What tests compare with, and benchmarks measure against: literal algorithms, and scenes whose answer is known."""
