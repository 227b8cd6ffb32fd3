"""Changes of our tables, in order; see `atml.store.migrating`."""
