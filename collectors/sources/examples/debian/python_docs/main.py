"""The modules of Python's standard library, from the documentation that Debian's python3-doc installs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urljoin

from pydantic import BaseModel, Field

from collectors.contract import Context
from collectors.toolkit.errors import Blocker
from collectors.toolkit.http.folder import FolderSite
from collectors.toolkit.scraping import BaseScraper

from .models import Module
from .parser import IndexEntry, ModuleRow, parse_index, parse_source_links

INDEX = "py-modindex.html"


class PythonDocs(BaseScraper):
    """The index names the modules; the page of each says where its source code is."""

    model = Module
    allowed_networks = ("127.0.0.1",)  # where it serves the folder from

    class Args(BaseModel):
        folder: Path = Field(Path("/usr/share/doc/python3/html"), description="Where the documentation is installed.")
        base_url: str = Field(
            "", pattern=r"^(https?://\S+)?$", description="Collect from this site instead, without the folder."
        )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.origin: FolderSite | None = None
        self.base_url = ""
        self.index: list[IndexEntry] = []
        self.links: dict[str, dict[str, str]] = {}

    def prepare_list(self) -> list[IndexEntry]:
        self.base_url = self.args.base_url.rstrip("/") + "/" if self.args.base_url else self._serve(self.args.folder)
        self.index = parse_index(self.request.get(urljoin(self.base_url, INDEX)).content)
        return self.index

    def collect(self, item: IndexEntry) -> Iterable[ModuleRow]:
        source_url = self._links_on(item.page)[item.name]
        yield ModuleRow(item.name, item.synopsis, item.platform, item.is_deprecated, item.page, source_url)

    def cleanup(self) -> None:
        if self.origin is not None:
            self.origin.close()

    def _serve(self, folder: Path) -> str:
        if not (folder / INDEX).is_file():
            raise Blocker(
                f"There is no Python documentation in {folder}: install it with `apt install python3-doc`, "
                "or name its place with the argument folder or base_url."
            )
        self.origin = FolderSite(folder)
        return self.origin.url

    def _links_on(self, page: str) -> dict[str, str]:
        """Several modules can share a page; it is fetched once."""
        if page not in self.links:
            modules = [entry.name for entry in self.index if entry.page == page]
            html = self.request.get(urljoin(self.base_url, page)).content
            self.links[page] = parse_source_links(html, modules)
        return self.links[page]
