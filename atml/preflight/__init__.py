"""Before a search: what of the machine and the data would spoil it, and how long it would take."""
