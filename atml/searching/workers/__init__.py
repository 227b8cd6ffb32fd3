"""Worker processes: started, given jobs, watched, replaced."""
