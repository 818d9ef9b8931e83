"""The encrypted file as a place where settings are looked for."""

from __future__ import annotations

from collections.abc import Sequence

from config.errors import SettingsError
from config.secret_place import PASSPHRASE, PATH, find_file
from config.settings.reading import FILE, Layer


def secrets_layer(layers: Sequence[Layer], *, is_test: bool) -> Layer | None:
    """The settings in the encrypted file; None where there is none. Raises `SettingsError`.

    Tests read the file that is named, and none that a developer happens to have.
    """
    where = find_file([layer.values for layer in layers])
    if not where.is_named and (is_test or not where.path.exists()):
        return None
    if where.passphrase is None:
        raise SettingsError(f"{PASSPHRASE}: not set, but there is an encrypted file of settings, {where.path}.")
    from config.secret_loader import SecretFileError, SecretLoader

    try:
        values = SecretLoader(where.path).load(where.passphrase)
    except SecretFileError as error:
        raise SettingsError(f"{PATH}: {error}") from None
    for name in (PATH, PASSPHRASE):
        for variant in (name, f"{name}{FILE}"):
            if variant in values:
                raise SettingsError(
                    f"{variant}: is inside of {where.path.name}, where nobody can read it before that is open."
                )
    return Layer(where.path.name, values)
