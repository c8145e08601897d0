"""The model that is chosen, loaded once for all visitors, and what it computed."""
