"""Exported models: written, read back, described."""
