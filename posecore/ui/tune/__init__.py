"""The page on which settings are chosen for one's own pictures."""
