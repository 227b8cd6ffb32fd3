"""Worker processes: kept, watched, replaced."""
