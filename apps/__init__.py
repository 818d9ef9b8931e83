"""State: one Django app per domain."""
