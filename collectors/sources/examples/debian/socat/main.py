"""The kinds of addresses that socat connects, from the manual that Debian's package socat installs."""

from pathlib import Path

from pydantic import BaseModel

from collectors.toolkit.errors import Blocker, ParseError
from collectors.toolkit.http.folder import FolderSite
from collectors.toolkit.parsing.html import parse_html, text
from collectors.toolkit.scraping import BaseScraper

from .models import AddressType


class Socat(BaseScraper):
    model = AddressType
    allowed_networks = ("127.0.0.1",)  # where it serves the folder from

    class Args(BaseModel):
        folder: Path = Path("/usr/share/doc/socat")

    def prepare_list(self) -> list[dict[str, str]]:
        if not (self.args.folder / "socat.html").is_file():
            raise Blocker(f"There is no manual in {self.args.folder}: install it with `apt install socat`.")
        with FolderSite(self.args.folder) as url:
            return parse(self.request.get(f"{url}socat.html").content)

    def collect(self, item: dict[str, str]) -> list[dict[str, str]]:
        return [item]  # the manual is one page, and it says it all


def parse(html: bytes) -> list[dict[str, str]]:
    page, chapter = parse_html(html), "dl:has(a[name=ADDRESS_EXEC])"
    forms, descriptions = page.css(f"{chapter} > dt"), page.css(f"{chapter} > dt + dd")
    if not forms or len(forms) != len(descriptions):
        raise ParseError(f"The manual has {len(forms)} types of addresses and {len(descriptions)} descriptions.")
    return [
        {
            "form": text(form),
            "about": text(description).partition(" Option groups:")[0],
            "option_groups": ", ".join(text(link) for link in description.css('a[href*="#GROUP_"]')),
        }
        for form, description in zip(forms, descriptions, strict=True)
    ]
