"""``python -m anchor`` is the ``anchor`` command."""

import sys

from anchor.system.signals import exit_on_signal


def main() -> None:
    """Run the command line; long-running commands handle stop signals from here on."""
    if sys.argv[1:2] in (["run"], ["serve"], ["devnet"]) and "--once" not in sys.argv:
        exit_on_signal()
    try:
        from anchor.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
