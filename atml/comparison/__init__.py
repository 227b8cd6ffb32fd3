"""Models side by side on the same data, and what their differences are worth."""
