"""What stands in for parts of httpx behaves as they do."""

from __future__ import annotations

import pickle

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collectors.toolkit.http import RequestMetrics
from collectors.toolkit.http.answer import Page, PlainGet, raw_headers
from collectors.toolkit.http.urls import read_url

HEADERS = [
    (b"Content-Type", b"application/json; charset=utf-8"),
    (b"Set-Cookie", b"a=1; Path=/"),
    (b"Set-Cookie", b"b=2; Path=/"),
    (b"Link", b"</2>; rel=next"),
]

PORTS = ["", ":80", ":443", ":8080", ":49152", ":99999"]
hosts = st.from_regex(r"([a-z0-9]{1,8}[.-]?){1,4}", fullmatch=True)
parts = st.text(st.sampled_from("abcXYZ019-._~!$&()*+,;=:@/%2F ?#[]'\"<>\\é"), max_size=12)
urls = st.builds(
    lambda scheme, host, port, path, query: f"{scheme}://{host}{port}{path and '/' + path}{query and '?' + query}",
    *(st.sampled_from(["http", "https", "HTTP"]), hosts, st.sampled_from(PORTS), parts, parts),
)


@given(urls)
@example("http://127.0.0.1:80/a/../b")
@example("https://shop.example")
@example("https://shop.example:65535/a")
@example("https://shop.example:65536/a")
@example("http://127.0.0.1:18999/page.html")
@example("http://127.0.0.1:018999/page.html")
@example("http://1.2.3/")
@example("http://256.1.1.1/")
@example("http://a.b./.x?")
@example("https://xn--bcher-kva.example/")
@example("http://-a.example/")
def test_a_url_is_read_as_httpx_reads_it(text: str) -> None:
    try:
        expected = httpx.URL(text)
    except httpx.InvalidURL:
        with pytest.raises(httpx.InvalidURL):
            read_url(text)
        return
    found = read_url(text)
    assert (found, str(found), found.raw_path, found.netloc) == (
        expected,
        str(expected),
        expected.raw_path,
        expected.netloc,
    )
    assert (found.scheme, found.host, found.port, found.path) == (
        expected.scheme,
        expected.host,
        expected.port,
        expected.path,
    )
    assert str(found.join("../x?y=1")) == str(expected.join("../x?y=1"))


def pair(status: int = 200, body: bytes = b'{"a": 1}') -> tuple[Page, httpx.Response]:
    request = httpx.Request("GET", "https://shop.example/a")
    page = Page(status, HEADERS, body, request=request, version=b"HTTP/1.1", reason=b"OK")
    return page, httpx.Response(status, headers=HEADERS, content=body, request=request)


def test_a_page_is_a_response_like_any_other() -> None:
    page, response = pair()

    assert page.json() == response.json()
    assert (page.text, page.content, page.read()) == (response.text, response.content, response.read())
    assert page.headers.get_list("set-cookie") == response.headers.get_list("set-cookie")
    assert dict(page.cookies) == dict(response.cookies) == {"a": "1", "b": "2"}
    assert page.links == response.links
    assert list(page.iter_lines()) == list(response.iter_lines())
    assert b"".join(page.iter_bytes(3)) == response.content
    assert (page.url, page.reason_phrase, page.http_version, repr(page)) == (
        *(response.url, "OK", "HTTP/1.1", repr(response)),
    )
    assert (page.is_closed, page.is_stream_consumed, page.is_success, page.has_redirect_location) == (
        *(True, True, True, False),
    )
    page.raise_for_status()
    page.close()


def test_a_page_can_be_kept_in_a_file() -> None:
    page, _ = pair()
    kept = pickle.loads(pickle.dumps(page))  # noqa: S301 - our own

    assert (kept.text, kept.headers["link"], kept.status_code) == (page.text, "</2>; rel=next", 200)


def test_a_page_that_is_an_error_says_so_as_httpx_does() -> None:
    page, response = pair(404)

    with pytest.raises(httpx.HTTPStatusError):
        page.raise_for_status()
    assert page.is_client_error == response.is_client_error


def test_the_encoding_of_a_page_can_be_chosen_before_its_text_is_read() -> None:
    page, _ = pair(body="č".encode("cp1250"))
    page.encoding = "cp1250"

    assert page.text == "č"
    with pytest.raises(ValueError, match="before the text"):
        page.encoding = "utf-8"


def test_a_plain_get_is_a_request_like_any_other() -> None:
    url = httpx.URL("https://shop.example:8443/a?b=1")
    base = httpx.Headers({"User-Agent": "x"}).raw
    plain, original = PlainGet(url, base), httpx.Request("GET", url, headers={"User-Agent": "x"})

    assert [(name.lower(), value) for name, value in raw_headers(plain)] == [
        (name.lower(), value) for name, value in original.headers.raw
    ]
    assert (plain.method, plain.url, plain.content, plain.read(), str(plain.url)) == (
        *("GET", url, b"", b"", str(original.url)),
    )
    plain.headers["Cookie"] = "a=1"
    assert (b"Cookie", b"a=1") in raw_headers(plain)


def test_figures_of_two_processes_add_up() -> None:
    first, second, whole = RequestMetrics(), RequestMetrics(), RequestMetrics()
    for number in range(600):
        for metrics in (first if number % 2 else second, whole):
            metrics.add(
                elapsed_s=0.001 * (1 + number % 40),
                ok=number % 7 > 0,
                host=f"h{number % 3}",
                status=200 + number % 2,
                proxy=f"p{number % 2}",
                is_final=number % 5 > 0,
            )
    first.merge(second)

    merged, expected = first.summary(), whole.summary()
    assert merged["mean_ms"] == pytest.approx(expected["mean_ms"])
    assert (merged["codes"], merged["p50_ms"], merged["p99_ms"]) == (
        *(expected["codes"], expected["p50_ms"], expected["p99_ms"]),
    )
    assert {name: found["failed"] for name, found in merged["proxies"].items()} == {
        name: found["failed"] for name, found in expected["proxies"].items()
    }
    assert merged["hosts"].keys() == expected["hosts"].keys()
