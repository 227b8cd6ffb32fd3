"""Synthetic ECG: enough of the real thing to run a search where no data are at hand."""
