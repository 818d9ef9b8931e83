"""The pages of quality: datasets with their verdicts, rules, the quarantine; and who may do what there."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.quality.models import Dataset, LetThrough, Measurement, QuarantinedRow, Rule
from apps.quality.sparkline import sparkline
from collectors.sources.examples.shop.books.models import Book
from tests.integration.apps.quality.runs import LABEL, current, held, merge, rule
from tests.integration.factories import book, books
from tests.integration.people import messages_of, signed_in

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

DATASETS, RULES, ROWS = "/admin/quality/dataset/", "/admin/quality/rule/", "/admin/quality/quarantinedrow/"


@pytest.fixture
def history() -> Dataset:
    """Three merges: one that is whole, one with a row put aside, one that was stopped."""
    merge(*books(range(4)))
    rule("range", "quarantine", field="stock", maximum=100)
    merge(*books(range(4)), book(5, stock=500))
    merge(book(0))
    return Dataset.objects.get(label=LABEL)


def content(page: Any) -> str:
    assert page.status_code == 200
    return str(page.content.decode())


def form(**values: Any) -> dict[str, Any]:
    usual = {"label": LABEL, "kind": "range", "severity": "block", "name": "", "is_enabled": "on"}
    return {**usual, "parameters": '{"field": "price", "minimum": 0}', **values}


def test_the_page_of_a_dataset_tells_what_happened(history: Dataset) -> None:
    page = content(signed_in("viewer").get(f"{DATASETS}{history.pk}/change/"))

    assert "3 of 4 current rows would be archived, more than 50%" in page
    assert page.count("<polyline") == 4
    assert '<th scope="row">range stock</th>' in page
    for origin in ("installation", "default"):
        assert f"<td>{origin}</td>" in page
    assert "Let the next merge through" not in page
    assert "Add a rule" not in page
    assert f"{ROWS}?dataset__id__exact={history.pk}" in page


def test_pages_cost_the_same_for_one_and_for_many(
    history: Dataset, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = signed_in()
    for times in range(2):
        if times:
            _more(history)
        with django_assert_num_queries(4):
            content(client.get(DATASETS))
        with django_assert_num_queries(7):
            content(client.get(f"{DATASETS}{history.pk}/change/"))
        with django_assert_num_queries(6):  # one for the kept views
            content(client.get(ROWS))
        with django_assert_num_queries(5):
            content(client.get(RULES))


def _more(history: Dataset) -> None:
    measure = Measurement.objects.filter(dataset=history).latest("id")
    row = QuarantinedRow.objects.get()
    for number in range(5):
        measure.pk, measure.merge = None, 100 + number
        measure.save()
        row.pk, row.merge = None, 100 + number
        row.save()
        history.pk, history.label = None, f"shop.thing{number}"
        history.save()
        rule("length", field="title", maximum=number + 1)
    history.pk = measure.dataset_id


def test_rows_are_replayed_and_discarded_from_the_list(history: Dataset) -> None:
    client = signed_in("operator")
    (row,) = held()
    chosen = {"action": "replay_rows", "_selected_action": [row.pk]}

    stays = client.post(ROWS, chosen, follow=True)
    assert messages_of(stays) == [
        "Replayed: 0 inserted, 1 still held of 1.",
        'Still held: Row 5 of Book: "stock" is 500, at most 100 is expected (range stock).',
    ]
    Rule.objects.all().delete()
    assert messages_of(client.post(ROWS, chosen, follow=True)) == ["Replayed: 1 inserted of 1."]
    assert messages_of(client.post(f"{ROWS}?state=all", chosen, follow=True)) == [
        "Replayed: 0 inserted, 1 settled before of 1."
    ]
    assert "5" in current()
    row.refresh_from_db()
    assert (row.state, row.settled_by) == ("REPLAYED", "operator")

    QuarantinedRow.objects.update(state="HELD")
    discarded = client.post(ROWS, {"action": "discard_rows", "_selected_action": [row.pk]}, follow=True)
    assert messages_of(discarded) == ["Discarded 1 of 1 rows."]
    assert "row 5 of run" in content(client.get(f"{ROWS}{row.pk}/change/"))


def test_all_that_match_are_settled_at_once(history: Dataset) -> None:
    Rule.objects.all().delete()
    client = signed_in("operator")
    chosen = {"action": "replay_rows", "select_across": "1", "_selected_action": [held()[0].pk]}

    done = client.post(f"{ROWS}?dataset__id__exact={history.pk}", chosen, follow=True)

    assert messages_of(done) == ["Replayed: 1 inserted of 1."]


def test_an_operator_lets_a_merge_through_and_a_viewer_does_not(history: Dataset) -> None:
    address = f"{DATASETS}{history.pk}/let-through/"

    assert signed_in("viewer").post(address).status_code == 403
    assert signed_in("operator").get(address).status_code == 405
    page = signed_in("operator").post(address, follow=True)

    assert messages_of(page) == [f"The next merge into {LABEL} is let through, whatever the rules about merges say."]
    assert "is let through by operator" in content(page)
    assert LetThrough.objects.get().granted_name == "operator"
    assert merge(book(0)).rows_archived == 3


def test_who_may_do_what(history: Dataset) -> None:
    viewer, operator, nobody = signed_in("viewer"), signed_in("operator"), signed_in("")
    chosen = {"action": "replay_rows", "_selected_action": [held()[0].pk]}

    for page in (DATASETS, RULES, ROWS):
        content(viewer.get(page))
        assert nobody.get(page).status_code == 403
    viewer.post(ROWS, chosen, follow=True)
    assert len(held()) == 1
    assert operator.post(f"{RULES}add/", form()).status_code == 403
    assert signed_in("developer").post(f"{RULES}add/", form()).status_code == 302
    assert Rule.objects.get(parameters__minimum=0).kind == "range"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"parameters": '{"field": "price"}'}, "Name a minimum or a maximum."),
        ({"parameters": '{"field": "prize", "minimum": 0}'}, "has no field &quot;prize&quot;"),
        ({"parameters": '{"field": "price", "minimum": "cheap"}'}, "must be a decimal number"),
        ({"parameters": '{"field": "price", "minimum": 0, "least": 1}'}, "&quot;least&quot;: Extra inputs"),
        ({"parameters": "[1]"}, "Write an object"),
        ({"parameters": "{"}, "Enter a valid JSON."),
        ({"kind": "archived_share", "parameters": "{}", "severity": "quarantine"}, "can block or warn"),
        ({"kind": "nothing"}, "is not one of the available choices"),
        ({"label": "auth.user"}, "is not one of the available choices"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_a_sentence(values: dict[str, str], words: str) -> None:
    page = content(signed_in("developer").post(f"{RULES}add/", form(**values)))

    assert words in page.replace("“", "").replace("”", "")
    assert not Rule.objects.exists()


def test_the_page_of_a_run_names_what_was_put_aside(history: Dataset) -> None:
    run = held()[0].runtime

    page = content(signed_in("viewer").get(f"/admin/runtime/runtime/{run}/change/"))

    assert f"{ROWS}?state=all&amp;run={run}" in page
    listed = content(signed_in("viewer").get(f"{ROWS}?state=all&run={run}"))
    assert "is 500, at most 100 is expected" in listed
    assert "is 500" not in content(signed_in("viewer").get(f"{ROWS}?state=all&run={'0' * 32}"))


def test_text_of_strangers_is_shown_as_text() -> None:
    rule("fits", "quarantine")
    merge(book(1), book(2, price="<script>alert(1)</script>"))

    for page in (ROWS, f"{ROWS}{held()[0].pk}/change/", DATASETS):
        assert "<script>alert(1)" not in content(signed_in("viewer").get(page))


def test_a_dataset_that_is_not_there_is_not_found() -> None:
    assert signed_in("viewer").get(f"{DATASETS}{'9' * 30}/change/").status_code == 404
    assert signed_in("viewer").get(f"{DATASETS}x/change/").status_code == 404


def test_a_line_of_one_merge_is_its_number() -> None:
    assert sparkline([]) == "-"
    assert sparkline([[1234, "pass"]]) == "1\u2009234"
    assert sparkline([[0, "block"], [0, "pass"]]).count("<circle") == 1
    assert Book._meta.label_lower == LABEL
