"""The outbox: what is written, what is sent, and what becomes of it when the other side does not answer."""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from apps.core.clock import utc_now
from apps.notifications.models import Channel, Delivery, Kind
from apps.notifications.sending import ABANDONED, BACKOFF, _claim, send_due
from apps.notifications.services import notify, retry_deliveries, send_test
from tests.servers.hec import AUTHORITY
from tests.servers.hook import Hook, hook, mail_server

pytestmark = pytest.mark.django_db

KEY = "a key of the webhook"
DOCS = Path(__file__).parents[4] / "docs" / "notifications.md"
State = Delivery.State


def webhook(server: Hook, name: str = "hook", **values: Any) -> Channel:
    values = {"service": "WEBHOOK", "url": server.url, "secret": KEY, "is_private_allowed": True, **values}
    return Channel.objects.create(name=name, **values)


def mail(port: int, **values: Any) -> Channel:
    return Channel.objects.create(
        name="mail",
        service="EMAIL",
        smtp_host="127.0.0.1",
        smtp_port=port,
        smtp_security="NONE",
        sender="collector@example.com",
        recipients="ann@example.com, bob@example.com",
        **values,
    )


def tell(**values: Any) -> int:
    values = {"kind": Kind.FAILED, "subject": "a.b.c failed", "body": "No such host.", "app_code": "a.b.c", **values}
    return notify(now=values.pop("now", utc_now()), **values)


def test_without_a_channel_nothing_happens() -> None:
    assert tell() == 0
    assert not Delivery.objects.exists()
    assert send_due(now=utc_now()) == 0


def test_each_channel_that_wants_it_gets_a_message_once() -> None:
    wishes: dict[str, dict[str, Any]] = {
        "all": {},
        "group": {"apps": ["a.b"]},
        "other": {"apps": ["a.bb", "b"]},
        "kinds": {"kinds": ["RECOVERED"]},
        "off": {"is_enabled": False},
    }
    for name, values in wishes.items():
        Channel.objects.create(name=name, service="APPRISE", **values)
    assert tell(dedup_key="failed 1") == 2
    assert tell(dedup_key="failed 1") == 0
    assert tell(dedup_key="failed 2") == 2
    assert set(Delivery.objects.values_list("channel__name", flat=True)) == {"all", "group"}


def test_messages_without_a_key_are_all_sent() -> None:
    Channel.objects.create(name="all", service="APPRISE")
    assert [tell(), tell()] == [1, 1]


def test_a_transaction_that_is_rolled_back_told_nobody() -> None:
    Channel.objects.create(name="all", service="APPRISE")
    with transaction.atomic():
        tell()
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()


def test_a_subject_is_one_line_and_passwords_in_addresses_stay_here(settings: Any) -> None:
    settings.DC_PUBLIC_URL = "https://dc.example.com"
    Channel.objects.create(name="all", service="APPRISE")
    tell(subject="a\r\nBcc: x", body="http://ann:hunter22@host/ is away" + "x" * 9000, link="/admin/")
    delivery = Delivery.objects.get()
    assert delivery.subject == "a Bcc: x"
    assert "hunter22" not in delivery.body
    assert len(delivery.body) == 3000
    assert delivery.link == "https://dc.example.com/admin/"


def test_a_webhook_is_signed_and_says_what_happened() -> None:
    with hook() as server:
        channel = webhook(server)
        tell(link="https://dc.example.com/admin/")
        assert send_due(now=utc_now()) == 1
    (path, headers, body) = server.posts[0]
    expected = hmac.new(KEY.encode(), f"{headers['X-DC-Timestamp']}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["X-DC-Signature"] == f"v1={expected}"
    lesson: dict[str, Any] = {}
    exec(DOCS.read_text("utf-8").partition("```python")[2].partition("```")[0], lesson)  # noqa: S102 - our own page
    assert lesson["is_genuine"](KEY, headers, body)
    assert not lesson["is_genuine"](KEY, headers, body + b" ")
    assert path == "/hook"
    assert server.payloads[0] | {"id": 0, "created_at": ""} == {
        "id": 0,
        "kind": "FAILED",
        "subject": "a.b.c failed",
        "body": "No such host.",
        "link": "https://dc.example.com/admin/",
        "app": "a.b.c",
        "created_at": "",
    }
    delivery = Delivery.objects.get()
    channel.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.error) == (State.SENT, 1, "")
    assert channel.last_sent_at == delivery.sent_at
    assert send_due(now=utc_now() + timedelta(days=1)) == 0


def test_what_is_refused_is_tried_again_later_and_at_last_has_failed() -> None:
    now = utc_now()
    with hook() as server:
        server.status = 503
        channel = webhook(server)
        tell(now=now)
        for attempt, wait in enumerate(BACKOFF, start=1):
            assert send_due(now=now) == 0
            delivery = Delivery.objects.get()
            assert (delivery.state, delivery.attempts) == (State.PENDING, attempt)
            assert delivery.next_attempt_at is not None
            assert delivery.next_attempt_at >= now + wait
            assert send_due(now=delivery.next_attempt_at - timedelta(seconds=1)) == 0
            now = delivery.next_attempt_at
        send_due(now=now)
    delivery.refresh_from_db()
    channel.refresh_from_db()
    assert (delivery.state, delivery.attempts, len(server.posts)) == (State.FAILED, 6, 6)
    assert delivery.error == channel.last_error == "127.0.0.1 answered 503."


def test_a_channel_that_fails_is_asked_once_and_others_are_served() -> None:
    now = utc_now()
    with hook() as sick, hook() as well:
        sick.status = 500
        webhook(sick, "sick")
        webhook(well, "well")
        for number in range(4):
            tell(subject=str(number), now=now)
        assert send_due(now=now, max_seconds=20) == 4
        assert (len(sick.posts), len(well.posts)) == (1, 4)
        sick.status = 204
        assert send_due(now=now + timedelta(minutes=6), max_seconds=20) == 4


def test_messages_to_a_channel_that_was_disabled_are_skipped_and_can_be_sent_again() -> None:
    with hook() as server:
        channel = webhook(server)
        tell()
        Channel.objects.update(is_enabled=False)
        assert send_due(now=utc_now()) == 0
        assert Delivery.objects.get().state == State.SKIPPED
        Channel.objects.update(is_enabled=True)
        assert retry_deliveries(pks=[Delivery.objects.get().pk], actor=None, source="ADMIN", now=utc_now()) == 1
        assert send_due(now=utc_now()) == 1
        assert retry_deliveries(pks=[Delivery.objects.get().pk], actor=None, source="ADMIN", now=utc_now()) == 0
    assert channel.deliveries.get().attempts == 1


def test_what_a_dead_sender_left_is_tried_again_and_never_twice_at_once() -> None:
    now = utc_now()
    with hook() as server:
        webhook(server)
        tell(now=now)
        assert _claim(now) is not None  # and then it dies
        assert _claim(now) is None
        assert send_due(now=now + ABANDONED) == 0
        later = now + ABANDONED + timedelta(seconds=1)
        assert send_due(now=later) == 0  # found; it waits like any other that failed
        assert send_due(now=later + BACKOFF[0]) == 1
    assert len(server.posts) == 1


def test_a_sender_that_comes_back_late_changes_nothing() -> None:
    now = utc_now()
    with hook() as server:
        webhook(server)
        tell(now=now)
        late = _claim(now)
        assert late is not None
        later = now + ABANDONED + timedelta(seconds=1)
        send_due(now=later)
        send_due(now=later + BACKOFF[0])
        from apps.notifications.sending import deliver

        server.status = 500
        deliver(late, now=now)
    assert Delivery.objects.get().state == State.SENT


def test_a_redirect_is_not_followed() -> None:
    with hook() as thief, hook() as server:
        server.status, server.location = 307, thief.url
        webhook(server)
        tell()
        send_due(now=utc_now())
        assert thief.posts == []
    assert Delivery.objects.get().error == "127.0.0.1 answered 307."


def test_an_address_in_a_private_network_is_not_connected_to_unless_allowed() -> None:
    with hook() as server:
        webhook(server, is_private_allowed=False)
        tell()
        send_due(now=utc_now())
        assert server.posts == []
    delivery = Delivery.objects.get()
    assert delivery.state == State.FAILED
    assert "private network" in delivery.error


def test_nobody_there_is_a_sentence() -> None:
    # Bound, so that nobody else gets the port meanwhile; nobody listens there.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        webhook(Hook(url=f"http://127.0.0.1:{taken.getsockname()[1]}/hook"))
        tell()
        send_due(now=utc_now())
    assert Delivery.objects.get().error.startswith("127.0.0.1 cannot be reached:")


@pytest.mark.parametrize(("certificate", "said"), [("expired", "expired"), ("valid", "")])
def test_certificates_are_verified(certificate: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(cafile=AUTHORITY)
    monkeypatch.setattr("apps.notifications.webhook.tls", lambda: context)
    with hook(certificate=certificate) as server:
        webhook(server)
        tell()
        send_due(now=utc_now())
    error = Delivery.objects.get().error
    assert ("The certificate of 127.0.0.1 is not accepted" in error) == bool(said)
    assert said in error
    assert len(server.posts) == (0 if said else 1)


def test_a_certificate_that_nobody_known_signed_is_refused() -> None:
    with hook(certificate="valid") as server:
        webhook(server)
        tell()
        send_due(now=utc_now())
        assert server.posts == []
    assert "is not accepted" in Delivery.objects.get().error


def test_a_mail_reaches_every_recipient() -> None:
    with mail_server(user="post", password="s3cret/&@ of mail") as box:
        mail(box.port, smtp_user="post", secret="s3cret/&@ of mail")
        tell(body="No such host: <b>é</b>", link="https://dc.example.com/admin/")
        assert send_due(now=utc_now()) == 1, Delivery.objects.get().error
    assert {name for names in box.recipients for name in names} == {"ann@example.com", "bob@example.com"}
    assert box.mails[0]["Subject"] == "a.b.c failed"
    assert "collector@example.com" in box.mails[0]["From"]
    part: Any = box.mails[0].walk()
    text = next(piece for piece in part if piece.get_content_type() == "text/plain").get_content()
    assert "No such host: <b>é</b>" in text
    assert "https://dc.example.com/admin/" in text


def test_a_wrong_password_is_told_without_the_password() -> None:
    with mail_server(user="post", password="right password") as box:
        mail(box.port, smtp_user="post", secret="wrong password")
        tell()
        assert send_due(now=utc_now()) == 0
    delivery = Delivery.objects.get()
    assert delivery.state == State.PENDING
    assert "wrong password" not in delivery.error
    assert "email did not take it" in delivery.error


def test_a_mail_server_that_refuses_gets_another_chance() -> None:
    with mail_server() as box:
        mail(box.port)
        box.refuses = True
        tell()
        assert send_due(now=utc_now()) == 0
        box.refuses = False
        assert send_due(now=utc_now() + timedelta(minutes=2)) == 1


def test_any_service_of_apprise_takes_messages() -> None:
    with hook() as server:
        Channel.objects.create(name="json", service="APPRISE", secret=server.url.replace("http://", "json://"))
        tell()
        assert send_due(now=utc_now()) == 1
    assert server.payloads[0]["title"] == "a.b.c failed"
    assert server.payloads[0]["message"] == "No such host."
    assert not server.payloads[0].get("attachments")


def test_a_test_is_sent_at_once_even_to_a_channel_that_is_off() -> None:
    with hook() as server:
        channel = webhook(server, is_enabled=False, kinds=["FAILED"])
        assert send_test(channel, actor=None, source="ADMIN", now=utc_now()).state == State.SENT
        server.status = 404
        failed = send_test(channel, actor=None, source="ADMIN", now=utc_now())
    assert (failed.state, failed.error) == (State.FAILED, "127.0.0.1 answered 404.")
    assert len(server.posts) == 2
