"""Its table was never made."""

from collectors.contract import Context


def main(context: Context) -> None:
    raise AssertionError("never reached")
