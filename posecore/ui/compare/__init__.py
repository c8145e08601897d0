"""Compare: two to four models or settings side by side, on pictures and clips."""
