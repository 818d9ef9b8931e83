"""Says one numbered line after the other, and notes each in a ledger when it was said."""

import os
import time
from pathlib import Path

from pydantic import BaseModel

from collectors.contract import Context


class Args(BaseModel):
    ledger: Path
    lines: int = 1_000_000
    pause_s: float = 0.0


def main(context: Context) -> None:
    ledger = os.open(context.args.ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in range(context.args.lines):
        context.log.info("line.said", number=number)
        os.write(ledger, b"%d\n" % number)
        time.sleep(context.args.pause_s)
        if number % 50 == 0:
            os.fsync(ledger)
