"""Runs rooms with the testing kit, in a process of its own, and says what came of each. JSON in, JSON out.

A process of its own, because rooms become Django apps where Django starts: DC_SOURCES_PATH says where they are.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from typing import Any

import django


def run_room(code: str, args: dict[str, Any], answers: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
    from django.apps import apps

    from collectors.identity import parse_code
    from collectors.loader import load_source
    from collectors.toolkit.testing import CannedClients, make_context

    source = load_source(parse_code(code))
    checked = source.args_model(**args) if source.args_model else args
    context = make_context(checked, app=source.info, clients=CannedClients(answers), dry_run=dry_run)
    outcome = source.run(context)
    models = apps.get_app_config(source.info.label).get_models()
    return {
        "outcome": {name: value for name, value in dataclasses.asdict(outcome).items() if value is not None},
        "totals": dataclasses.asdict(context.records.totals),
        "rows": {model.__name__: context.records.rows(model) for model in models},
        "events": context.log.events(),
        "progress": [context.progress.solved, context.progress.failed, context.progress.size],
    }


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    print(json.dumps({name: run_room(**job) for name, job in json.load(sys.stdin).items()}, default=str))
