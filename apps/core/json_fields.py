"""JSON on pages that only show it: the theme colours it by styles in the page, which the content policy forbids."""

from __future__ import annotations

import json
from typing import Any

import unfold.fields
from django.utils.html import format_html
from django.utils.safestring import SafeString


def show_json_plainly() -> None:
    """From now on a field of JSON that cannot be changed is indented text, in the colour of the page."""
    unfold.fields.prettify_json = _plain


def _plain(data: Any, encoder: Any) -> SafeString:
    text = json.dumps(data, sort_keys=True, indent=4, cls=encoder, ensure_ascii=False)
    return format_html('<pre class="dc-payload">{}</pre>', text)
