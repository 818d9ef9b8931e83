"""The log of a run in a real browser, served by the real web process."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, WebSocket, expect

from apps.accounts.models import User
from apps.runtime.models import Runtime, State
from tests.e2e.conftest import Complaints
from tests.integration.factories import make_app, make_run
from tests.integration.log_lines import say, session_of
from tests.integration.people import make_person
from tests.services.web import WebProcess

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

LEVELS = {0: 20, 1: 20, 2: 30, 3: 40, 4: 10}
ROW = ".dc-lv-row"


@pytest.fixture(scope="module")
def web(django_db_setup: None) -> Iterator[WebProcess]:
    web = WebProcess()
    web.start()
    yield web
    web.kill()


@pytest.fixture
def run() -> Runtime:
    return make_run(make_app(), State.RUNNING)


Open = Callable[..., Page]


@pytest.fixture
def open_log(browser: Browser, web: WebProcess, run: Runtime, complaints: Complaints) -> Iterator[Open]:
    """Opens the log of the run in a window of its own, as a viewer."""
    contexts: list[BrowserContext] = []

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.heard.append(f"console: {message.text}")

    def open_log(tail: str = "", **options: Any) -> Page:
        key = session_of(User.objects.filter(username="viewer").first() or make_person("viewer"))
        context = browser.new_context(base_url=web.url, **{"viewport": {"width": 1440, "height": 900}, **options})
        contexts.append(context)
        context.set_default_timeout(10_000)
        context.add_cookies([{"name": "sessionid", "value": key, "url": web.url}])
        context.on("console", said)
        context.on("weberror", lambda error: complaints.heard.append(f"script: {error.error}"))
        page = context.new_page()
        page.goto(f"/admin/runtime/runtime/{run.pk}/log/{tail}")
        expect(page.locator("[data-part=state]")).to_be_visible()
        return page

    yield open_log
    for context in contexts:
        context.close()


def say_many(run: Runtime, first: int, last: int) -> None:
    """Every third of five is a warning, every fourth an error."""
    say(
        run,
        first,
        last,
        level=lambda n: LEVELS[n % 5],
        logger=lambda n: "http" if n % 2 else "parser",
        context_json=lambda n: {"status": 404 if n % 10 == 0 else 200},
        exception=lambda n: (
            "Traceback (most recent call last):\n  somewhere\nValueError: no price" if n % 5 == 3 else ""
        ),
    )


def row(page: Page, number: int) -> Locator:
    return page.locator(f'{ROW}[data-n="{number}"]')


#: The numbers of the rows in view, from top to bottom.
SHOWN = """() => {
    const box = document.querySelector("[data-part=list]").getBoundingClientRect();
    return [...document.querySelectorAll(".dc-lv-row")].filter((row) => {
        const { top, bottom } = row.getBoundingClientRect();
        return top >= box.top - 1 && bottom <= box.bottom + 1;
    }).map((row) => Number(row.dataset.n));
}"""


def shown(page: Page) -> list[int]:
    """The numbers of the rows in view, from top to bottom."""
    found: list[int] = page.evaluate(SHOWN)
    return found


def loaded(page: Page, number: int) -> Locator:
    """The row, once it and its neighbours have their texts: nothing moves or is exchanged after that by itself."""
    expect(row(page, number)).to_be_in_viewport()
    expect(page.locator(".dc-lv-missing")).to_have_count(0)
    return row(page, number)


def turn_wheel(page: Page, by: int) -> list[int]:
    """Turn the mouse wheel over the list by so many pixels. What is in view when the list has moved.

    Lines that arrive meanwhile make rows taller: that moves the last one in view, the first one never.
    """
    first = shown(page)[0]
    page.mouse.wheel(0, by)
    moved = page.wait_for_function(
        f"""(first) => {{
            const box = document.querySelector("[data-part=list]");
            const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 1;
            const now = ({SHOWN})();
            return now.length && (now[0] !== first || isAtEnd) ? now : null;
        }}""",
        arg=first,
    )
    found: list[int] = moved.json_value()
    return found


def is_following(page: Page) -> bool:
    return page.locator("[data-part=follow]").get_attribute("aria-pressed") == "true"


def button(page: Page, action: str) -> Locator:
    return page.locator(f'.dc-lv-bar [data-do="{action}"]')


def test_it_follows_a_run_and_stops_when_somebody_reads(run: Runtime, open_log: Open) -> None:
    say_many(run, 1, 300)
    page = open_log()
    expect(page.locator("[data-part=connection]")).to_have_text("live")
    expect(row(page, 300)).to_be_in_viewport()
    say_many(run, 301, 320)
    expect(row(page, 320)).to_be_in_viewport()
    page.locator("[data-part=list]").hover()
    top = turn_wheel(page, -2000)[0]
    expect(button(page, "follow")).to_have_attribute("aria-pressed", "false")
    loaded(page, top)
    before = shown(page)
    say_many(run, 321, 350)
    expect(page.locator("[data-part=new]")).to_have_text("↓ 30 new lines")
    assert shown(page) == before
    page.locator("[data-part=new]").click()
    expect(row(page, 350)).to_be_in_viewport()
    say_many(run, 351, 351)
    expect(row(page, 351)).to_be_in_viewport()
    turn_wheel(page, -1000)
    expect(button(page, "follow")).to_have_attribute("aria-pressed", "false")
    turn_wheel(page, 5000)
    expect(button(page, "follow")).to_have_attribute("aria-pressed", "true")


def test_the_numbers_of_the_run_are_live(run: Runtime, open_log: Open) -> None:
    page = open_log()
    expect(page.get_by_text("It has said nothing yet.")).to_be_visible()
    Runtime.objects.filter(pk=run.pk).update(task_size=50, solved=10, failed=2)
    expect(page.get_by_text("24 % of 50, 2 failed")).to_be_visible()
    assert run.finish(State.FAILED, at=run.queued_at, cause="The site is closed.")
    expect(page.get_by_text("The site is closed.")).to_be_visible()
    expect(page.locator("[data-part=state]")).to_have_text("failed")


def test_a_pause_freezes_the_view_and_counts(run: Runtime, open_log: Open) -> None:
    say_many(run, 1, 100)
    page = open_log()
    loaded(page, 100)
    page.keyboard.press("p")
    before = shown(page)
    say_many(run, 101, 140)
    expect(page.locator("[data-part=new]")).to_have_text("↓ 40 new lines")
    assert shown(page) == before
    page.locator("[data-part=list]").hover()
    turn_wheel(page, 9000)
    expect(row(page, 140)).to_be_in_viewport()
    assert not is_following(page)
    page.keyboard.press("p")
    assert is_following(page)


def test_it_searches_forth_and_back(run: Runtime, open_log: Open) -> None:
    say_many(run, 1, 2000)
    page = open_log()
    page.keyboard.press("g")
    page.keyboard.press("/")
    page.keyboard.insert_text("line 77")
    matches = page.locator("[data-part=matches]")
    expect(matches).to_have_text("1 of 11")
    expect(row(page, 77)).to_be_in_viewport()
    expect(row(page, 77).locator("mark")).to_have_text("line 77")
    page.keyboard.press("Enter")
    expect(matches).to_have_text("2 of 11")
    expect(row(page, 770)).to_be_in_viewport()
    page.locator("[data-part=list]").focus()
    page.keyboard.press("N")
    page.keyboard.press("N")
    expect(matches).to_have_text("11 of 11")
    expect(row(page, 779)).to_be_in_viewport()
    page.get_by_role("searchbox").fill("(7|8)5 said$")
    page.locator("[name=regex]").check()
    expect(matches).to_have_text(re.compile("of 40"))
    expect(page).to_have_url(re.compile("regex=1"))


def test_a_broken_expression_is_said_and_can_be_mended(run: Runtime, open_log: Open, complaints: Complaints) -> None:
    complaints.expect("400 (Bad Request)")
    say_many(run, 1, 20)
    page = open_log()
    page.locator("[name=regex]").check()
    page.get_by_role("searchbox").fill("line (1")
    expect(page.get_by_role("alert")).to_contain_text("This is not a regular expression")
    page.get_by_role("searchbox").fill("line (1)")
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.locator("[data-part=matches]")).to_have_text(re.compile("of 11"))


def test_it_filters_by_level_logger_and_field(run: Runtime, open_log: Open) -> None:
    say_many(run, 1, 1000)
    page = open_log()
    expect(page.locator('[data-count="40"]')).to_have_text("200")
    page.get_by_label("Error").check()
    expect(page.get_by_text("200 lines shown")).to_be_visible()
    expect(row(page, 998)).to_be_in_viewport()
    say_many(run, 1001, 1010)
    expect(page.get_by_text("202 lines shown")).to_be_visible()
    expect(row(page, 1008)).to_be_in_viewport()
    page.locator("[data-part=loggers] summary").click()
    page.get_by_label("http").check()
    expect(page.get_by_text("101 lines shown")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_label("Error").uncheck()
    expect(page.get_by_text("505 lines shown")).to_be_visible()
    loaded(page, 1009).locator(".dc-lv-field").click()
    expect(page).to_have_url(re.compile("field=status%3D200"))
    page.reload()
    expect(page.get_by_text("505 lines shown")).to_be_visible()
    page.get_by_role("button", name="http").click()
    page.get_by_role("button", name="status=200").first.click()
    expect(page.get_by_text("lines shown")).to_be_hidden()


def test_it_jumps_to_the_first_error_and_unfolds_it(run: Runtime, open_log: Open) -> None:
    say_many(run, 1, 5000)
    page = open_log()
    expect(row(page, 5000)).to_be_in_viewport()
    button(page, "error").click()
    expect(row(page, 3)).to_be_in_viewport()
    expect(row(page, 3).get_by_text("ValueError: no price")).to_be_visible()
    assert row(page, 3).get_by_text("somewhere").count() == 0
    loaded(page, 3).locator(".dc-lv-fold").click()
    expect(row(page, 3).get_by_text("somewhere")).to_be_visible()
    expect(row(page, 3).get_by_text("Logger")).to_be_visible()
    page.keyboard.press("e")
    expect(row(page, 8)).to_be_in_viewport()


def test_it_jumps_to_a_line_a_time_the_top_and_the_bottom(run: Runtime, open_log: Open) -> None:
    began = "2026-01-31T12:00:00Z"
    Runtime.objects.filter(pk=run.pk).update(queued_at=began, started_at=began)
    run.refresh_from_db()
    say_many(run, 1, 5000)
    page = open_log(timezone_id="Asia/Tokyo")
    field = page.get_by_label("Go to a line")
    field.fill("2500")
    field.press("Enter")
    expect(row(page, 2500)).to_be_in_viewport()
    expect(row(page, 2500)).to_contain_text("line 2500 said")
    field.fill("21:10")
    field.press("Enter")
    expect(row(page, 600)).to_be_in_viewport()
    page.locator("[data-part=list]").focus()
    page.keyboard.press("t")
    expect(row(page, 600).locator("time")).to_have_text("12:10:00.000")
    field.fill("12:20:00")
    field.press("Enter")
    expect(row(page, 1200)).to_be_in_viewport()
    field.fill("tomorrow")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Not a line, nor a time: tomorrow")
    page.locator("[data-part=list]").focus()
    page.keyboard.press("G")
    expect(row(page, 5000)).to_be_in_viewport()
    page.keyboard.press("g")
    expect(row(page, 1)).to_be_in_viewport()


def test_a_link_leads_to_its_lines(run: Runtime, open_log: Open) -> None:
    say_many(run, 1, 3000)
    page = open_log("#L120-140")
    expect(row(page, 120)).to_be_in_viewport()
    expect(row(page, 140)).to_have_class(re.compile("dc-lv-marked"))
    expect(page.get_by_text("21 marked")).to_be_visible()
    assert not is_following(page)
    loaded(page, 130).locator(".dc-lv-number").click()
    row(page, 133).locator(".dc-lv-number").click(modifiers=["Shift"])
    expect(page).to_have_url(re.compile("#L130-133$"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button(page, "copy-lines").click()
    expect(page.locator("[data-part=announcer]")).to_have_text("Copied.")
    copied: str = page.evaluate("navigator.clipboard.readText()")
    assert [line.split(" line ")[1][:3] for line in copied.splitlines() if " line " in line] == [
        "130",
        "131",
        "132",
        "133",
    ]


def test_a_selection_over_rows_is_copied_as_lines(run: Runtime, open_log: Open) -> None:
    say_many(run, 1, 50)
    page = open_log()
    loaded(page, 50)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(
        """() => getSelection().setBaseAndExtent(
            document.querySelector('[data-n="40"] .dc-lv-text'), 0,
            document.querySelector('[data-n="42"] .dc-lv-text'), 1)"""
    )
    page.keyboard.press("Control+c")
    copied: str = page.evaluate("navigator.clipboard.readText()")
    assert [re.search(r"line (\d+)", line)[1] for line in copied.splitlines()] == ["40", "41", "42"]  # type: ignore[index]
    assert "▸" not in copied


def test_a_restart_of_the_web_process_loses_and_doubles_no_line(
    run: Runtime, open_log: Open, web: WebProcess, complaints: Complaints
) -> None:
    complaints.expect("WebSocket connection", "ERR_CONNECTION_REFUSED", "Failed to load resource")
    heard: list[int] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda said: heard.extend(map(int, re.findall(r'\{"n":(\d+)', str(said)))))

    def write() -> None:
        for first in range(1, 601, 10):
            say_many(run, first, first + 9)
            time.sleep(0.05)
        connections.close_all()

    page = open_log()
    page.on("websocket", listen)
    page.reload()
    expect(page.locator("[data-part=connection]")).to_have_text("live")
    writer = threading.Thread(target=write)
    writer.start()
    # Not the row itself: who follows a fast run may have scrolled past it.
    page.wait_for_function("document.querySelector('[data-log-viewer]').logViewer.store.rows.size >= 50")
    web.kill()
    expect(page.get_by_text("No answer since")).to_be_visible()
    web.start()
    writer.join()
    expect(page.locator("[data-part=connection]")).to_have_text("live", timeout=20_000)
    expect(row(page, 600)).to_be_in_viewport()
    assert page.get_by_text("No answer since").is_hidden()
    known = page.evaluate("[...document.querySelector('[data-log-viewer]').logViewer.store.rows.keys()]")
    assert sorted(known) == list(range(1, 601))
    assert len(heard) == len(set(heard))


def test_without_websockets_it_asks_and_says_so(run: Runtime, open_log: Open, complaints: Complaints) -> None:
    complaints.expect("WebSocket connection")
    say_many(run, 1, 10)
    page = open_log()
    page.add_init_script("WebSocket = class { constructor() { setTimeout(() => this.onclose({ code: 1006 }), 10); } };")
    page.reload()
    expect(page.get_by_text("the server is asked every 2 seconds instead")).to_be_visible()
    say_many(run, 11, 30)
    expect(row(page, 30)).to_be_in_viewport()


def test_who_is_signed_out_is_told(run: Runtime, open_log: Open) -> None:
    page = open_log()
    expect(page.locator("[data-part=connection]")).to_have_text("live")
    User.objects.update(is_active=False)
    expect(page.get_by_text("You were signed out")).to_be_visible()


def test_it_is_downloaded(run: Runtime, open_log: Open) -> None:
    say_many(run, 1, 3000)
    page = open_log("?levels=40")
    expect(page.get_by_text("600 lines shown")).to_be_visible()
    for name, count in {
        "These lines, as JSONL": 600,
        "Everything, as JSONL": 3000,
        "These lines, as text": 2400,
    }.items():
        page.locator("[data-part=list]").focus()
        page.keyboard.press("d")
        with page.expect_download() as waiting:
            page.get_by_role("link", name=name).click()
        assert len(waiting.value.path().read_text().splitlines()) == count, name
        assert waiting.value.suggested_filename.startswith("examples.shop.books-")
        page.keyboard.press("d")


def test_what_a_collector_says_is_text(run: Runtime, open_log: Open) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    say(
        run,
        1,
        3,
        message=evil,
        logger=evil[:200],
        context_json={evil: evil, "short": "<b>x</b>"},
        exception=evil,
        level=40,
    )
    page = open_log("?q=img")
    expect(page.locator("[data-part=matches]")).to_have_text("1 of 3")
    loaded(page, 3)
    row(page, 2).locator(".dc-lv-toggle").click()
    row(page, 2).get_by_role("button", name="short=").first.click()
    page.locator("[data-part=loggers] summary").click()
    expect(page.get_by_text("3 lines shown")).to_be_visible()
    assert page.title().startswith("Log of run")
    assert page.locator("[data-part=list] img, [data-part=list] script").count() == 0


def test_single_letter_keys_can_be_switched_off(run: Runtime, open_log: Open) -> None:
    say_many(run, 1, 500)
    page = open_log()
    expect(row(page, 500)).to_be_in_viewport()
    page.keyboard.press("?")
    page.locator("[data-part=keys-switch]").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("g")
    page.wait_for_timeout(200)
    expect(row(page, 500)).to_be_in_viewport()
    page.reload()
    expect(row(page, 500)).to_be_in_viewport()
    page.keyboard.press("w")
    expect(page.locator("[data-log-viewer]")).not_to_have_class(re.compile("dc-lv-wrap"))


def test_lines_may_be_wrapped_and_the_screen_filled(run: Runtime, open_log: Open) -> None:
    say(run, 1, 400, message="word " * 200)
    page = open_log()
    expect(row(page, 400)).to_be_in_viewport()
    page.keyboard.press("w")
    expect(row(page, 400)).to_be_in_viewport()
    assert page.locator("[data-part=list]").evaluate("box => box.scrollWidth <= box.clientWidth")
    page.keyboard.press("f")
    expect(page.locator("[data-log-viewer]")).to_have_class(re.compile("dc-lv-full"))
    expect(row(page, 400)).to_be_in_viewport()
    page.keyboard.press("f")
    page.keyboard.press("s")
    expect(page.locator("[data-log-viewer]")).not_to_have_class(re.compile("dc-lv-full"))


def test_scrolling_through_the_whole_log_shows_every_line_once(run: Runtime, open_log: Open) -> None:
    say(run, 1, 2000, message=lambda n: f"line {n}\n" * (n % 7 + 1))
    page = open_log()
    page.keyboard.press("w")
    page.keyboard.press("g")
    expect(row(page, 1)).to_be_in_viewport()
    page.locator("[data-part=list]").hover()
    seen = shown(page)
    while seen[-1] < 2000:
        now = turn_wheel(page, 400)
        assert now == list(range(now[0], now[-1] + 1))
        assert now[0] <= seen[-1] + 1
        seen += [number for number in now if number > seen[-1]]
    assert seen == list(range(1, 2001))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 375])
def test_it_fits_and_nothing_complains(run: Runtime, open_log: Open, width: int, theme: str) -> None:
    say_many(run, 1, 200)
    page = open_log("?q=line&logger=http#L199", viewport={"width": width, "height": 812}, color_scheme=theme)
    expect(row(page, 199)).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    faint = page.evaluate(CONTRAST)
    assert faint == []


def test_a_line_that_was_jumped_to_stays_in_view_when_the_layout_moves(run: Runtime, open_log: Open) -> None:
    """A taller box moves the view by itself. The browser tells of the scrolling before it tells of the size."""
    say_many(run, 1, 200)
    page = open_log("#L199")
    expect(row(page, 199)).to_be_in_viewport()
    box = page.locator("[data-part=list]")
    box.evaluate("box => { box.style.height = '40%'; }")
    expect(row(page, 199)).to_be_in_viewport()
    box.evaluate("box => { box.style.height = '100%'; box.offsetHeight; }")
    page.wait_for_timeout(300)
    box.evaluate("box => { box.style.height = '40%'; }")
    page.wait_for_timeout(300)
    expect(row(page, 199)).to_be_in_viewport()


#: Texts of rows whose contrast is below 4.5:1, colours as the browser computed them.
CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const flat = (colours) => {
        canvas.clearRect(0, 0, 1, 1);
        for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = (colour) => {
        const [r, g, b] = colour.map((part) => {
            const share = part / 255;
            return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) layers.unshift(getComputedStyle(at).backgroundColor);
        return [document.documentElement.classList.contains("dark") ? "black" : "white", ...layers];
    };
    const faint = new Set();
    for (const element of document.querySelectorAll(".dc-lv-row *, .dc-lv-bar *, .dc-lv-head *")) {
        if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
        const layers = behind(element);
        const [a, b] = [light(flat([...layers, getComputedStyle(element).color])), light(flat(layers))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) faint.add(`${element.className}: ${contrast.toFixed(2)}`);
    }
    return [...faint];
}"""
