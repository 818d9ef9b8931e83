"""Errors of the wiring. Outside `config.settings`, because importing that package loads the settings."""

from __future__ import annotations


class SettingsError(Exception):
    """Settings that cannot be used; the message is one line for each."""
