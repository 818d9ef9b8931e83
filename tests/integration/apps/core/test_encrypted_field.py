"""A column that is encrypted: what stands in the database, who can read it, what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from django.core import serializers
from django.core.exceptions import FieldError
from django.db import connection, transaction

from apps.core.encryption.fields import Sealed
from apps.core.encryption.keys import BadKeys, CannotOpen, Key, NoKeys, UnknownKey, keys_as_text
from apps.core.encryption.ring import current_ring
from apps.credentials.models import Credential
from collectors.toolkit.journal import Redactor
from collectors.toolkit.journal.known import KnownSecrets
from tests.integration.factories import make_app

pytestmark = pytest.mark.django_db(databases="__all__")

CANARY = "canary of a column"


def stored(credential: Credential) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM credentials_credential WHERE id = %s", [credential.pk])
        return str(cursor.fetchone()[0])


def write(credential: Credential, token: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE credentials_credential SET value = %s WHERE id = %s", [token, credential.pk])


def make(name: str = "token", value: str = CANARY, **values: Any) -> Credential:
    return Credential.objects.create(app=values.pop("app", None) or make_app(), name=name, value=value, **values)


def test_the_database_holds_a_token_and_the_instance_the_text() -> None:
    credential = make()
    assert stored(credential).startswith(f"dc1:{current_ring().first.id}:")
    assert CANARY not in stored(credential)
    assert credential.value == CANARY
    assert Credential.objects.get().value == CANARY
    assert Credential.objects.defer("value").get().value == CANARY


def test_no_key_is_needed_for_what_is_only_listed(settings: Any) -> None:
    make()
    settings.DC_SECRETS_KEYS = ""
    [listed] = Credential.objects.select_related("app")
    assert (listed.name, listed.app.code) == ("token", "examples.shop.books")
    with pytest.raises(NoKeys):
        _ = listed.value


def test_it_is_written_anew_only_when_it_was_set() -> None:
    credential = make()
    first = stored(credential)
    again = Credential.objects.get()
    again.description = "x"
    again.save()
    assert stored(credential) == first
    again.value = again.value
    again.save()
    assert stored(credential) == first
    again.value = "another value"
    again.save()
    assert Credential.objects.get().value == "another value"
    assert stored(credential) != first


def test_many_at_once_are_encrypted_too() -> None:
    app = make_app()
    Credential.objects.bulk_create([Credential(app=app, name=f"n{i}", value=f"{CANARY} {i}") for i in range(3)])
    assert [credential.value for credential in Credential.objects.all()] == [f"{CANARY} {i}" for i in range(3)]
    assert not any(CANARY in stored(credential) for credential in Credential.objects.all())


def test_a_token_of_another_row_does_not_open() -> None:
    mine, theirs = make(), make(app=make_app("trial.odd.slow"), value="their value")
    write(mine, stored(theirs))
    with pytest.raises(CannotOpen, match="belongs to another row"):
        _ = Credential.objects.get(pk=mine.pk).value


def test_a_damaged_value_and_a_lost_key_are_sentences(settings: Any) -> None:
    credential = make()
    token = stored(credential)
    write(credential, f"{token[:-8]}AAAAAAA=")
    with pytest.raises(CannotOpen):
        _ = Credential.objects.get().value
    write(credential, "in the clear")
    with pytest.raises(CannotOpen, match="no encrypted value"):
        _ = Credential.objects.get().value
    write(credential, token)
    settings.DC_SECRETS_KEYS = Key(b"x" * 32).as_text()
    with pytest.raises(UnknownKey, match="is not in DC_SECRETS_KEYS"):
        _ = Credential.objects.get().value


def test_it_can_neither_be_searched_for_nor_set_by_update() -> None:
    make()
    with pytest.raises(TypeError, match="cannot be searched for"):
        Credential.objects.filter(value=CANARY).exists()
    with pytest.raises(TypeError, match="set it on an instance"), transaction.atomic():
        Credential.objects.update(value="x")
    with pytest.raises(FieldError):
        Credential.objects.filter(value__contains="x").exists()
    assert Credential.objects.get().value == CANARY


def test_nothing_that_prints_a_row_prints_its_value() -> None:
    make()
    credential = Credential.objects.get()
    assert CANARY not in repr(credential.__dict__)
    assert CANARY not in repr(list(Credential.objects.values()))
    assert CANARY not in repr([credential.value])
    assert CANARY not in repr(pickle.dumps(credential))
    assert isinstance(Credential.objects.values_list("value", flat=True).get(), Sealed)


def test_what_was_read_or_written_is_masked_from_then_on_in_every_spelling() -> None:
    awkward = 'canary "of" \\ a column'
    make(value=awkward)
    assert Redactor().redact_text(f"{awkward} {awkward!r}") == "****** '******'"
    reader = KnownSecrets()  # another process, which only reads
    reader.learn(Credential.objects.get().value)
    assert repr(awkward)[1:-1] in reader.spellings()


def test_a_dump_holds_tokens_and_can_be_loaded() -> None:
    make()
    dump = serializers.serialize("json", Credential.objects.all())
    assert CANARY not in dump
    Credential.objects.all().delete()
    [loaded] = serializers.deserialize("json", dump)
    loaded.save()
    assert Credential.objects.get().value == CANARY


class TestTheFileOfTheKeys:
    @pytest.fixture
    def file(self, tmp_path: Path, settings: Any) -> Path:
        path = tmp_path / "keys"
        path.write_text(keys_as_text([Key(b"1" * 32)]))
        settings.DC_SECRETS_KEYS_FILE = path
        return path

    def test_a_new_key_is_noticed_without_a_restart(self, file: Path) -> None:
        credential = make()
        assert Key(b"1" * 32).id in stored(credential)
        file.write_text(keys_as_text([Key(b"2" * 32), Key(b"1" * 32)]))
        assert Credential.objects.get().value == CANARY
        assert Key(b"2" * 32).id in stored(make("other"))

    def test_a_lost_and_a_damaged_file_are_sentences(self, file: Path) -> None:
        make()
        file.write_text("rubbish")
        with pytest.raises(BadKeys, match="Key number 1 is no key"):
            _ = Credential.objects.get().value
        file.unlink()
        with pytest.raises(NoKeys, match="is gone: restore it from a backup"):
            _ = Credential.objects.get().value
        file.mkdir()
        with pytest.raises(BadKeys, match="cannot be read"):
            _ = Credential.objects.get().value
