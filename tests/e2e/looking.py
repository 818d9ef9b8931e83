"""What is looked at on a page: axe's rules, and whether anything sticks out; in both themes, wide and on a phone.

A look costs a fifth of a second, so nothing is looked at twice: the menu is the same beside every page, and colours are
the same on a phone.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Literal

from playwright.sync_api import Page

Theme = Literal["light", "dark"]

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
SERIOUS = ("serious", "critical")
SIZES = {"wide": (1400, 900), "phone": (375, 812)}
#: What is structure is the same in both themes; these depend on colours, and not on the size.
COLOURS: dict[str, Any] = {"runOnly": ["color-contrast", "link-in-text-block"]}
LOOKS: tuple[tuple[Theme, str, dict[str, Any]], ...] = (
    ("light", "wide", {}),
    ("light", "phone", {}),
    ("dark", "wide", COLOURS),
)
MENU = "#nav-sidebar"

#: The page changes its theme at once, as it does when the system does: a colour on its way is nobody's.
_CALM = """() => {
    const calm = new CSSStyleSheet();
    calm.replaceSync("*, *::before, *::after { transition: none !important; animation: none !important }");
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, calm];
}"""
#: The theme asks the system when it is told to, not by itself.
_FOLLOW = """async () => {
    if (!window.Alpine) return;
    const page = Alpine.$data(document.documentElement);
    page.adminTheme = "light";
    await Alpine.nextTick();
    page.adminTheme = "auto";
    await Alpine.nextTick();
}"""
#: Without `preload`, which fetches every style sheet again, for a rule about the orientation of screens.
_LOOK = """async ([rules, without]) => {
    const where = without && document.querySelector(without) ? {include: document, exclude: without} : document;
    const found = await axe.run(where, {resultTypes: ["violations"], preload: false, ...rules});
    return [document.documentElement.scrollWidth - innerWidth, found.violations.map(one => [one.id, one.impact,
        one.nodes.map(node => [node.target.join(" "), node.html.slice(0, 200),
            [...node.any, ...node.all].map(check => check.message).join("; ")])])];
}"""


def look(page: Page, *, without: str = MENU) -> Iterator[str]:
    """What is wrong with the page that is open, one text for each fault, theme and size."""
    page.evaluate(_CALM)
    page.evaluate(AXE)
    shown: Theme | None = None
    for theme, size, rules in LOOKS:
        if theme != shown:
            page.emulate_media(color_scheme=theme)
            page.evaluate(_FOLLOW)
            shown = theme
        width, height = SIZES[size]
        page.set_viewport_size({"width": width, "height": height})
        too_wide, found = page.evaluate(_LOOK, [rules, without])
        if too_wide > 0:
            yield f"{theme} {size}: {too_wide} pixels stick out"
        for name, impact, nodes in found:
            for target, html, said in nodes if impact in SERIOUS else []:
                yield f"{theme} {size}: {impact} {name}: {target}\n      {html}\n      {said}"
