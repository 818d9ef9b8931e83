"""Fetching: what authors of sources write and what they hold in their hands."""

__version__ = "0.1.0"
