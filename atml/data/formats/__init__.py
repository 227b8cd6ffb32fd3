"""Formats of labelled ECG, one module each."""
