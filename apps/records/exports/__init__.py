"""Rows of a table as a file, in flat memory (docs/records.md, "Looking at rows")."""
