"""Wiring: settings, urls, asgi, celery. Imports everything; nobody imports it."""
