"""Trained networks on a device: one program, written as C, run in numpy, and counted."""
