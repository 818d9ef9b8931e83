"""Every command that changes something from a shell leaves an entry in the audit; what is not in these tables fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.test_inventory import own_commands

#: Command -> the entries that it leaves, and the test that has it leave them.
AUDITED = {
    "app": (("app.changed", "app.enabled"), "apps/runtime/test_app_command.py"),
    "connection": (("connection.tested",), "apps/databases/test_connections.py"),
    "deploy": (("tables.created", "tables.seeded", "tables.dropped"), "apps/databases/test_deploy.py"),
    "journal": (("journals.replayed", "journals.repaired"), "apps/runtime/test_journal_command.py"),
    "loginlink": (("user.login_link_made",), "apps/accounts/test_loginlink_command.py"),
    "quality": (("quality.replayed", "quality.discarded", "quality.let_through"), "apps/quality/test_quarantine.py"),
    "rows": (("rows.exported",), "apps/records/test_exports.py"),
    "runcollector": (("app.run_by_hand",), "apps/runtime/test_claims.py"),
    "secondfactor": (("second_factor.removed",), "apps/accounts/test_second_factor.py"),
    "secrets": (("keys.added", "secrets.rotated", "keys.retired"), "apps/credentials/test_rotation.py"),
    "startcollector": (("app.source_written",), "apps/registry/test_startcollector.py"),
    "sweep": (("platform.swept",), "apps/runtime/test_sweep.py"),
}
#: Of `secrets` what is done before there are settings.
SETTINGS_FILE = ("settings_file.encrypted", "settings_file.edited", "settings_file.passphrase_changed")
#: Command -> why it leaves none.
CHANGES_NOTHING = {
    "beat": "a process: what it does by the clock is the platform's own",
    "captcha_report": "it only shows",
    "config": "it only shows",
    "manager": "a process: it carries out commands, which are in the audit",
    "migrate": "changes tables, not what is in them; Django writes down what was applied",
    "proxy_stress": "what it makes it takes away again",
    "polite_test": "fetches from a server of its own, and leaves nothing behind",
    "up": "starts the processes; what it seeds leaves its own entries",
    "web": "a process: what is asked of it is in the audit",
    "worker": "a process: it carries out tasks of the platform",
}


def test_every_command_is_audited_or_changes_nothing() -> None:
    assert set(AUDITED) | set(CHANGES_NOTHING) == own_commands()
    assert not set(AUDITED) & set(CHANGES_NOTHING)
    text = (Path(__file__).parent / "config/test_secrets_command.py").read_text()
    assert [action for action in SETTINGS_FILE if f'"{action}"' not in text] == []


@pytest.mark.parametrize("command", AUDITED)
def test_a_test_sees_each_entry_that_a_command_leaves(command: str) -> None:
    actions, file = AUDITED[command]
    text = (Path(__file__).parent / file).read_text()
    assert [action for action in actions if f'"{action}"' not in text] == []
