"""Forms that a trained network is written in."""
