"""Maps over pictures, of any family."""
