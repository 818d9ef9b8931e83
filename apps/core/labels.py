"""Words in coloured boxes. Apart from `admin.py`, because template tags load while the theme is still importing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def label(text: StrOrPromise, colour: str) -> SafeString:
    """A word in a coloured box; the colours are those of `ColouredChoices`."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": colour})
