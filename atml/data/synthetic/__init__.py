"""Synthetic ECG, realistic enough to run a search without any data."""
