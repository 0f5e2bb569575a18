# SPDX-License-Identifier: GPL-2.0-only
"""``python -m iopf`` and ``iopf``: the command line, as soon as it is loaded.

Loading takes a tenth of a second and needs the extensions. What goes wrong meanwhile is said as the command line says
it: in one line, with its exit codes.
"""

import sys


def main() -> int:
    """Runs the process's command line and returns the exit code."""
    try:
        from . import cli
    except KeyboardInterrupt:
        return 130
    except ImportError as error:
        from ._runtime import MissingExtension

        if not isinstance(error, MissingExtension):
            raise
        print(f"iopf: {error}", file=sys.stderr)
        return 2
    return cli.main()


if __name__ == "__main__":
    raise SystemExit(main())
