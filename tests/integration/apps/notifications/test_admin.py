"""The pages of channels and of what was sent."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.core.clock import utc_now
from apps.notifications.models import Channel, Delivery
from apps.notifications.services import Kind, notify
from tests.integration.people import messages_of, signed_in
from tests.servers.hook import hook

pytestmark = pytest.mark.django_db(databases="__all__")

CHANNELS = "/admin/notifications/channel/"
DELIVERIES = "/admin/notifications/delivery/"
SECRET = "c4nary secret of a hook"


def fields(**values: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("recipients", "url", "secret", "smtp_host", "smtp_port", "smtp_user", "sender", "apps"), "")
    return {"name": "one", "service": "WEBHOOK", "is_enabled": "on", "smtp_security": "STARTTLS", **empty, **values}


def hooked(**values: Any) -> dict[str, Any]:
    return fields(url="https://hook.example.com/", secret=SECRET, **values)


def add(client: Client, **values: Any) -> Any:
    return client.post(f"{CHANNELS}add/", values)


def deliver(channel: Channel, number: int, **values: Any) -> Delivery:
    return Delivery.objects.create(
        channel=channel, kind="FAILED", subject=f"subject {number}", created_at=utc_now(), **values
    )


def test_a_secret_goes_in_and_never_comes_out() -> None:
    client = signed_in("admin")
    assert add(client, **hooked(kinds=["FAILED"], apps="a.b\n\nshop.")).status_code == 302
    channel = Channel.objects.get()
    assert (channel.secret, channel.kinds, channel.apps) == (SECRET, ["FAILED"], ["a.b", "shop"])
    for address in (CHANNELS, f"{CHANNELS}{channel.pk}/change/", f"{CHANNELS}{channel.pk}/history/"):
        page = client.get(address)
        assert page.status_code == 200
        assert SECRET not in page.text


def test_an_empty_secret_keeps_what_is_there_unless_the_place_changes() -> None:
    client = signed_in("admin")
    add(client, **hooked())
    page = f"{CHANNELS}{Channel.objects.get().pk}/change/"
    assert client.post(page, hooked(name="two") | {"secret": ""}).status_code == 302
    channel = Channel.objects.get()
    assert (channel.name, channel.secret) == ("two", SECRET)
    refused = client.post(page, hooked() | {"secret": "", "url": "https://thief.example.com/"})
    assert "Type it again" in refused.text
    assert Channel.objects.get().url == "https://hook.example.com/"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"service": "EMAIL", "smtp_host": "mail.example.com"}, "An email channel needs the sender."),
        ({"service": "TELEGRAM", "secret": "123456789:" + "a" * 35}, "needs the token of a bot and a chat id"),
        ({"service": "SLACK", "secret": "https://example.com/x"}, "it begins https://hooks.slack.com/services/"),
        ({"service": "APPRISE", "secret": "nothing://x"}, "Apprise cannot use it"),
        ({"service": "APPRISE", "secret": "jsons://example.com/?verify=no"}, "certificates are verified always"),
        ({"service": "APPRISE", "secret": "syslog://"}, "on the machine of the manager"),
        ({"url": "http://example.com/", "secret": SECRET}, "begins https://"),
        ({"url": "file:///etc/passwd", "secret": SECRET}, "begins https://"),
        ({"url": "https://example.com/", "secret": "short"}, "at least 16 characters"),
    ],
)
def test_what_cannot_work_is_refused_in_the_form(values: dict[str, Any], said: str) -> None:
    response = add(signed_in("admin"), **fields(**values))
    assert response.status_code == 200
    assert said in response.text
    assert values.get("secret", "none of this") not in response.text
    assert not Channel.objects.exists()


def test_a_test_message_is_sent_by_a_button_and_its_result_told() -> None:
    with hook() as server:
        channel = Channel.objects.create(
            name="one", service="WEBHOOK", url=server.url, secret=SECRET, is_private_allowed=True
        )
        page = f"{CHANNELS}{channel.pk}/test/"
        client = signed_in("admin")
        assert client.get(page).status_code == 405
        assert messages_of(client.post(page, follow=True)) == ["A test message was sent to one."]
        server.status = 500
        said = messages_of(client.post(page, follow=True))
        assert said == ["The test message was not sent: 127.0.0.1 answered 500."]
        assert client.post(f"{CHANNELS}{channel.pk + 1}/test/").status_code == 404
        assert signed_in("operator").post(page).status_code == 403
        assert len(server.posts) == 2
    assert "127.0.0.1 answered 500." in signed_in("operator").get(CHANNELS).text


def test_operators_see_channels_and_only_admins_change_them() -> None:
    channel = Channel.objects.create(name="one", service="WEBHOOK", secret=SECRET)
    operator = signed_in("operator")
    assert SECRET not in operator.get(f"{CHANNELS}{channel.pk}/change/").text
    assert operator.post(f"{CHANNELS}{channel.pk}/change/", hooked(name="x")).status_code == 403
    assert operator.get(f"{CHANNELS}add/").status_code == 403
    assert signed_in("viewer").get(CHANNELS).status_code == 403
    assert signed_in("viewer").get(DELIVERIES).status_code == 403


def test_what_failed_is_sent_again_and_the_rest_is_told() -> None:
    channel = Channel.objects.create(name="one", service="WEBHOOK")
    failed = deliver(channel, 1, state="FAILED", attempts=6, error="gone")
    sent = deliver(channel, 2, state="SENT")
    chosen = {"action": "send_again", "_selected_action": [failed.pk, sent.pk]}
    signed_in("operator").post(DELIVERIES, chosen)
    failed.refresh_from_db()
    assert failed.state == "FAILED"
    response = signed_in("admin").post(DELIVERIES, chosen, follow=True)
    assert messages_of(response) == [
        "1 of 2 messages are sent again.",
        "1 of 2 are sent already, or wait for their next attempt.",
    ]
    failed.refresh_from_db()
    assert (failed.state, failed.attempts, failed.error) == ("PENDING", 0, "")


def test_deliveries_are_read_and_not_written() -> None:
    delivery = deliver(Channel.objects.create(name="one", service="WEBHOOK"), 1, link="javascript:alert(1)")
    client = signed_in("admin")
    page = client.get(f"{DELIVERIES}{delivery.pk}/change/").text
    assert "subject 1" in page
    assert 'href="javascript' not in page
    assert client.post(f"{DELIVERIES}{delivery.pk}/change/", {"subject": "x"}).status_code == 403
    assert client.get(f"{DELIVERIES}add/").status_code == 403


def test_deleting_a_channel_takes_its_messages_along() -> None:
    channel = Channel.objects.create(name="one", service="WEBHOOK")
    notify(kind=Kind.FAILED, subject="x", body="", now=utc_now())
    assert signed_in("admin").post(f"{CHANNELS}{channel.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Delivery.objects.exists()


def test_the_lists_cost_the_same_for_one_and_for_many(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client = signed_in()
    for number in range(30):
        deliver(Channel.objects.create(name=f"channel {number}", service="WEBHOOK"), number)
    client.get(CHANNELS)
    with django_assert_num_queries(4):  # session, user, count, page
        assert "channel 29" in client.get(CHANNELS).text
    with django_assert_num_queries(5):  # session, user, count, page, channels of the filter
        assert "subject 29" in client.get(DELIVERIES).text
