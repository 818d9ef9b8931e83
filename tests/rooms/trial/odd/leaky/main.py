"""Says its secrets in every way it can think of, and fails with one of them."""

import json
import logging
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from pydantic import BaseModel

from collectors.contract import Context
from collectors.toolkit.errors import CollectError
from collectors.toolkit.profiling import fun_watch


class Args(BaseModel):
    prints: bool
    go: Path
    """It waits until this file is there."""


@fun_watch
def careless(secret: str) -> None:
    raise ValueError(f"control-word: {secret}")


def in_a_thread(secret: str) -> None:
    raise RuntimeError(f"control-word in a thread: {secret}")


def main(context: Context) -> None:
    context.log.info("leaky.waiting")
    while not context.args.go.exists():
        time.sleep(0.02)
    mine = [context.secrets[name] for name in context.secrets]
    ours = [settings.SECRET_KEY, settings.DC_SPLUNK_TOKEN, settings.DC_SECRETS_KEYS]
    for number, secret in enumerate([*mine, *ours]):
        say(context, number, secret)
        if context.args.prints:
            print(f"control-word {secret}")
            print(f"control-word {secret!r}", file=sys.stderr)
            thread = threading.Thread(target=in_a_thread, args=(secret,))
            thread.start()
            thread.join()
    context.log.info("control-word", context=repr(context))
    raise RuntimeError(f"control-word, refused with {mine[0]} and {ours[0]}")


def say(context: Context, number: int, secret: str) -> None:
    log = context.log.bind(number=number, harmless=secret)
    log.info(f"control-word {secret}")  # noqa: G004
    log.warning("control-word", url=f"https://site.example/?q={quote(secret, safe='')}", deep=[{"x": (secret,)}])
    log.error("control-word", answer=json.dumps({"said": secret}), **{f"key {secret}": 1})
    logging.getLogger("of.a.library").warning("control-word %s and %r", secret, {"x": secret})
    try:
        careless(secret)
    except ValueError:
        log.exception("control-word")
    try:
        context.request.get(f"http://127.0.0.1:9/control-word/{quote(secret, safe='')}")
    except CollectError as error:
        log.exception("control-word", why=str(error), error=repr(error))
