"""The write-up of a study: one HTML file that a person reads from top to bottom."""
