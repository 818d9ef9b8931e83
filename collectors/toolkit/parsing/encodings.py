"""What encoding a text is in: what the bytes say counts more than what anybody says about them."""

from __future__ import annotations

import codecs
import re

from collectors.toolkit.errors import ParseError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Text to Python, and never to a web page.
_NO_TEXT = frozenset({"utf-7", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})
#: The encodings with one byte for each letter begin with these.
_ONE_BYTE = ("cp12", "iso8859", "ascii", "koi8", "mac", "cp8", "latin")
#: Pages that name the first mean the second (https://encoding.spec.whatwg.org/, 4.2).
_MEANT = {"ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030"}
_NAMED_INSIDE = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})|<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w.:-]{1,40})""",
    re.IGNORECASE,
)
#: A page names its encoding at its beginning; and so much is enough to guess from.
_HEAD, _SAMPLE = 2048, 64 * 1024


def encoding_of(content: bytes, declared: str | None = None) -> str:
    """The encoding of `content`, as Python names it.

    In this order: a byte order mark; UTF-8, where one of single bytes is named and the text is UTF-8; the encoding
    that is `declared`, then the one the page names in itself, if the text is in them; UTF-8; a guess. When nothing
    fits, the one that was declared, or UTF-8.
    """
    for bom, name in _BOMS:
        if content.startswith(bom):
            return name
    inside = _NAMED_INSIDE.search(content[:_HEAD])
    named = [declared, next((name.decode() for name in inside.groups() if name), None) if inside else None, "utf-8"]
    known = [name for name in map(_known, named) if name]
    if known[0].startswith(_ONE_BYTE) and not content.isascii() and _fits(content, "utf-8"):
        return "utf-8"  # any bytes at all are a text in these, and hardly any of them happen to be UTF-8
    for name in known:
        for one in (_MEANT.get(name, name), name):
            if _fits(content, one):
                return one
    return _guess(content) or known[0]


def decode(content: bytes, declared: str | None = None) -> str:
    """The text of `content`, without a byte order mark and with nothing replaced.

    Raises `ParseError` that says where, if it is in no encoding that is known.
    """
    name = encoding_of(content, declared)
    try:
        return content.decode(name)
    except UnicodeDecodeError as error:
        raise ParseError(
            f"The text is in no known encoding: {name} does not fit at byte {error.start:,} of {len(content):,}."
        ) from None


def _known(name: str | None) -> str | None:
    if not name:
        return None
    try:
        found = codecs.lookup(name.strip().strip("\"'")).name
        b" ".decode(found, "replace")  # an empty text is decoded by anything, base64 among them
    except (LookupError, ValueError):
        return None
    return None if found in _NO_TEXT else found


def _fits(content: bytes, name: str) -> bool:
    try:
        content.decode(name)
    except (UnicodeDecodeError, ValueError):
        return False
    return True


def _guess(content: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(content[:_SAMPLE]).best()
    return best.encoding if best is not None and _fits(content, best.encoding) else None
