"""``python -m anchor`` is the ``anchor`` command."""

import sys

from anchor.base.system.signals import exit_on_signal


def main() -> None:
    """Run the command line; long-running commands handle stop signals from here on."""
    is_endless = not {"--once", "--exec"}.intersection(sys.argv)
    if sys.argv[1:2] in (["run"], ["serve"], ["devnet"]) and is_endless:
        exit_on_signal()
    try:
        from anchor.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
