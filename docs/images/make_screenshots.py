# ruff: noqa: INP001, T201 - a script, not a package
"""Make the pictures of the documentation from a platform that is running.

    make up                                            in one terminal
    .venv/bin/python docs/images/make_screenshots.py "$(.venv/bin/python manage.py loginlink)"

Needs Chromium and the development requirements. Writes home.png, run.png and rows.png beside this file.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Error, Page, sync_playwright

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1280, 860
MOST_BYTES = 300_000


def main(argv: list[str]) -> int:
    if len(argv) != 2 or "/login/" not in argv[1]:
        print("Say with which login link: make_screenshots.py http://127.0.0.1:8000/login/...", file=sys.stderr)
        return 2
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("There is no Chromium on PATH; apt install chromium.", file=sys.stderr)
        return 1
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        try:
            pictures = take(page, argv[1])
        except Error as error:
            print(f"Not finished: {error.message.splitlines()[0]}", file=sys.stderr)
            return 1
        finally:
            browser.close()
    for picture in pictures:
        size = picture.stat().st_size
        print(f"{picture.name}: {size / 1000:.0f} kB")
        if size > MOST_BYTES:
            print(f"{picture.name} is larger than {MOST_BYTES // 1000} kB.", file=sys.stderr)
            return 1
    return 0


def take(page: Page, link: str) -> list[Path]:
    """Sign in and walk through the pages that the documentation shows."""
    site = "{0.scheme}://{0.netloc}".format(urlsplit(link))
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/admin/")
    home = shoot(page, "home")
    page.get_by_role("region", name="Last runs").get_by_role("link").nth(1).click()
    page.wait_for_url("**/change/")
    run = shoot(page, "run")
    page.goto(f"{site}/admin/examples_shop_books/book/")
    return [home, run, shoot(page, "rows")]


def shoot(page: Page, name: str) -> Path:
    """The window as it is, once fonts and icons have loaded."""
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(500)
    path = HERE / f"{name}.png"
    page.screenshot(path=path)
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv))
