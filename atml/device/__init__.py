"""From an exported network to a board."""
