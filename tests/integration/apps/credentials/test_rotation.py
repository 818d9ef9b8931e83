"""Rotating the keys: in batches, at any time, again after a kill; and the checks that look whether everything opens."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from apps.accounts.models import AuditEntry
from apps.core.encryption.fields import EncryptedTextField
from apps.core.encryption.keys import EncryptionError, Key, keys_as_text
from apps.core.encryption.ring import current_ring
from apps.credentials import rotation
from apps.credentials.checks import check_stored_keys
from apps.credentials.models import Credential
from apps.credentials.rotation import rotate, unreadable, usage
from apps.credentials.selectors import CredentialsUnusable, encrypted_columns, secrets_of
from apps.notifications.models import Channel
from tests.integration.factories import make_app

pytestmark = pytest.mark.django_db(databases="__all__")

OLD, NEW = Key(b"o" * 32), Key(b"n" * 32)


@pytest.fixture
def keys(tmp_path: Path, settings: Any) -> Path:
    path = tmp_path / "keys"
    path.write_text(keys_as_text([OLD]))
    settings.DC_SECRETS_KEYS_FILE = path
    return path


def fill(count: int = 5) -> None:
    app = make_app()
    Credential.objects.bulk_create([Credential(app=app, name=f"n{i}", value=f"value {i}") for i in range(count)])
    Channel.objects.create(name="one", service="WEBHOOK", url="https://x.example", secret="secret of a hook")


def used() -> Counter[str]:
    return sum(usage().values(), Counter())


def everything() -> list[str]:
    return [str(row.value) for row in Credential.objects.order_by("pk")] + [Channel.objects.get().secret]


def spoil(pk: int, token: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE credentials_credential SET value = %s WHERE id = %s", [token, pk])


def test_it_finds_every_encrypted_column() -> None:
    assert {"credentials.Credential.value", "notifications.Channel.secret"} <= {str(c) for c in encrypted_columns()}


def test_everything_is_brought_under_the_first_key_and_reads_as_before(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    fill()
    before = everything()
    keys.write_text(keys_as_text([NEW, OLD]))
    assert rotate().count == 6
    assert used() == {NEW.id: 6}
    keys.write_text(keys_as_text([NEW]))
    assert everything() == before
    assert rotate().count == 0


def test_killed_in_the_middle_it_is_called_again(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    fill()
    before, seal, calls = everything(), EncryptedTextField.seal, 0

    def killed(field: EncryptedTextField, instance: Any, text: str) -> Any:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return seal(field, instance, text)

    keys.write_text(keys_as_text([NEW, OLD]))
    monkeypatch.setattr(EncryptedTextField, "seal", killed)
    with pytest.raises(KeyboardInterrupt):
        rotate()
    assert everything() == before
    # The first batch is done, the second one was taken back as a whole.
    assert used() == {NEW.id: 2, OLD.id: 4}
    assert rotate().count == 4
    assert everything() == before


def test_a_value_that_somebody_writes_meanwhile_is_left_to_them(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(1)
    seal = EncryptedTextField.seal

    def interrupted(field: EncryptedTextField, instance: Any, text: str) -> Any:
        monkeypatch.setattr(EncryptedTextField, "seal", seal)
        mine = Credential.objects.get()
        mine.value = "written meanwhile"
        mine.save()
        return seal(field, instance, text)

    keys.write_text(keys_as_text([NEW, OLD]))
    monkeypatch.setattr(EncryptedTextField, "seal", interrupted)
    assert rotate().count == 1  # the channel
    assert Credential.objects.get().value == "written meanwhile"
    assert used() == {NEW.id: 2}


def test_what_does_not_open_is_left_alone_and_named(keys: Path) -> None:
    fill(2)
    first = Credential.objects.order_by("pk")[0]
    spoil(first.pk, "in the clear")
    keys.write_text(keys_as_text([NEW, OLD]))
    done = rotate()
    assert done.count == 2
    [fault] = done.unreadable
    assert str(fault) == f"credentials.Credential.value, row {first.pk}: It is no encrypted value: enter it again."
    assert [str(one) for one in unreadable()] == [str(fault)]


def test_the_check_names_keys_that_are_missing(keys: Path) -> None:
    fill(2)
    assert check_stored_keys(databases=["default"]) == []
    keys.write_text(keys_as_text([NEW]))
    [error] = check_stored_keys(databases=["default"])
    assert (error.id, error.msg) == (
        "credentials.E001",
        f"3 secrets in the database cannot be decrypted: the key {OLD.id} is missing.",
    )
    assert error.hint
    assert check_stored_keys(databases=None) == []
    spoil(Credential.objects.first().pk, "in the clear")  # type: ignore[union-attr]
    assert [error.id for error in check_stored_keys(databases=["default"])] == ["credentials.E002", "credentials.E001"]


def test_without_any_key_the_check_speaks_too(settings: Any) -> None:
    fill(1)
    settings.DC_SECRETS_KEYS = ""
    assert [error.id for error in check_stored_keys(databases=["default"])] == ["credentials.E001"]


def test_what_a_run_is_given(keys: Path) -> None:
    fill(2)
    app = make_app()
    assert secrets_of(app.pk) == {"n0": "value 0", "n1": "value 1"}
    assert secrets_of(make_app("trial.odd.slow").pk) == {}
    keys.write_text(keys_as_text([NEW]))
    with pytest.raises(
        CredentialsUnusable, match=r'The credential "n0" cannot be used\. It was encrypted with the key'
    ):
        secrets_of(app.pk)


class TestTheCommand:
    def say(self, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
        call_command("secrets", *words)
        return capsys.readouterr().out.splitlines()

    def test_a_new_key_a_rotation_and_an_old_key_retired(self, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
        fill(2)
        before = everything()
        said = self.say(capsys, "rotate", "--new-key")
        new = current_ring().first
        assert said[1] == f"3 secrets were re-encrypted with the key {new.id}."
        assert keys.stat().st_mode & 0o777 == 0o600
        assert [key.id for key in current_ring().keys] == [new.id, OLD.id]
        assert self.say(capsys, "rotate") == [f"0 secrets were re-encrypted with the key {new.id}."]
        assert self.say(capsys, "rotate", "--retire")[1] == f"Taken out of the ring: {OLD.id}."
        assert current_ring().keys == (new,)
        assert everything() == before
        assert "Everything opens." in self.say(capsys, "check")
        entries = AuditEntry.objects.order_by("pk")
        assert [(entry.action, entry.subject, entry.source) for entry in entries] == [
            ("keys.added", new.id, "SHELL"),
            *[("secrets.rotated", new.id, "SHELL")] * 3,
            ("keys.retired", OLD.id, "SHELL"),
        ]
        assert [entry.details for entry in entries][1] == {"count": 3, "unreadable": 0}
        assert not any(
            word in str(vars(entry)) for entry in entries for word in ("value 0", "secret of", new.as_text())
        )

    def test_a_key_that_is_in_use_is_not_retired(self, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
        fill(1)
        keys.write_text(keys_as_text([NEW, OLD]))
        Credential.objects.update(description="")
        call_command("secrets", "rotate")
        spoil(Credential.objects.get().pk, f"dc1:{OLD.id}:AAAA")
        with pytest.raises(Exception, match="1 cannot be decrypted and were left as they are"):
            call_command("secrets", "rotate", "--retire")
        assert len(current_ring().keys) == 2

    def test_check_fails_where_something_does_not_open(self, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
        fill(1)
        keys.write_text(keys_as_text([NEW]))
        with pytest.raises(Exception, match="2 cannot be decrypted"):
            call_command("secrets", "check")
        said = capsys.readouterr()
        assert f"1 under {OLD.id}" in said.out
        assert said.err.count("is not in DC_SECRETS_KEYS") == 2

    def test_keys_that_are_not_in_a_file_are_not_ours_to_change(self, settings: Any) -> None:
        with pytest.raises(Exception, match="The keys are in DC_SECRETS_KEYS and not in a file"):
            call_command("secrets", "rotate", "--new-key")

    def test_no_keys_are_a_sentence(self, settings: Any) -> None:
        settings.DC_SECRETS_KEYS = ""
        for verb in ("rotate", "check"):
            with pytest.raises(Exception, match="There is no key for secrets"):
                call_command("secrets", verb)
        assert issubclass(EncryptionError, Exception)
