"""Where tasks run: one file a kind of cluster."""
