"""Waiting for one's turn at a site: pauses, robots.txt, Retry-After, circuits, shared by all processes.

Nothing is imported here: models need the words of `pauses`, and no more than that.
"""
