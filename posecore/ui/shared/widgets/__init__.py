"""The app's own widgets, and widgets made from settings."""
