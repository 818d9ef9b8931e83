#!/usr/bin/env python3
"""The only executable of the platform: `manage.py help` lists what it can do."""

import os
import sys


def main(argv: list[str]) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from config.startup import StartupError, prepare

    try:
        prepare(argv)
    except StartupError as error:
        print(error, file=sys.stderr)
        return 2

    from django.core.management import execute_from_command_line

    execute_from_command_line(argv)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
