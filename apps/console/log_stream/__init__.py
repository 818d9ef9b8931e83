"""The log of a run while it grows, over WebSockets (docs/logging.md, "The log viewer")."""
