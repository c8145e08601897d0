"""About: versions, licences and limits."""
