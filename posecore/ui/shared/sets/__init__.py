"""Sets of labelled pictures: choose, add, export."""
