"""Where the parameters of a trial come from."""
