"""Videos to look at: where they come from, and the moment of one that is shown."""
