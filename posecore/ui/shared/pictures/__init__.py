"""Pictures to look at: where they come from, opened, shown with poses, and saved."""
