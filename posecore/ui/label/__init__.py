"""Label: people on your own pictures, proposed by a model and corrected by hand."""
