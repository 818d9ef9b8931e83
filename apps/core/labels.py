"""Words in coloured boxes. Apart from `admin.py`, because template tags load while the theme is still importing."""

from __future__ import annotations

from django.template.loader import render_to_string
from django.utils.safestring import SafeString


def label(text: str, colour: str) -> SafeString:
    """A word in a coloured box; the colours are those of `ColouredChoices`."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": colour})
