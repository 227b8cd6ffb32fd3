"""Which export is in service: challengers judged against it on people that neither knows, and a log of it."""
