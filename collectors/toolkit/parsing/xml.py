"""XML that cannot hurt: no DTD, no entities, nothing fetched, and a limit on size and depth."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from xml.etree.ElementTree import Element
from xml.etree.ElementTree import ParseError as _BadXML

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from collectors.toolkit.errors import ParseError

LARGEST = 256 * 1024 * 1024
#: Elements inside of each other; no format needs a tenth of it, and programs recurse over trees.
DEEPEST = 200


def parse_xml(content: bytes) -> Element:
    """The root element. Raises `ParseError`, which says where."""
    root: Element | None = None
    for event, element in _events(content):
        if event == "start" and root is None:
            root = element
    if root is None:
        raise ParseError("The document is empty.")
    return root


def iter_xml(content: bytes, tag: str) -> Iterator[Element]:
    """The elements called `tag` (`{namespace}name` where there is one), each forgotten when the next is asked for.

    Raises `ParseError` when it comes to what is wrong.
    """
    open_elements: list[Element] = []
    for event, element in _events(content):
        if event == "start":
            open_elements.append(element)
            continue
        open_elements.pop()
        if element.tag == tag:
            yield element
            element.clear()
            if open_elements:
                open_elements[-1].remove(element)


def _events(content: bytes) -> Iterator[tuple[str, Element]]:
    if len(content) > LARGEST:
        raise ParseError(f"The document has {len(content):,} bytes; at most {LARGEST:,} are parsed.")
    depth = 0
    try:
        for event, element in iterparse(BytesIO(content), events=("start", "end"), forbid_dtd=True):
            depth += 1 if event == "start" else -1
            if depth > DEEPEST:
                raise ParseError(f"The elements of the document lie more than {DEEPEST} deep.")
            yield event, element
    except DefusedXmlException as error:
        raise ParseError(f"The document brings what is not allowed: {_forbidden(error)}.") from None
    except _BadXML as error:
        raise ParseError(f"The document is no XML: {error}.") from None
    except (LookupError, ValueError) as error:
        raise ParseError(f"The document cannot be read: {error}.") from None


def _forbidden(error: DefusedXmlException) -> str:
    kinds = {"DTDForbidden": "a DTD", "EntitiesForbidden": "an entity", "ExternalReferenceForbidden": "a reference"}
    return kinds.get(type(error).__name__, "a declaration")
