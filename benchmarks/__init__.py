"""The figures, re-runnable: `make bench SECTION=startup`."""
