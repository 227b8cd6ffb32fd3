"""atml: the smallest honest ECG classifier for a device."""
