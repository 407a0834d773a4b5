"""``python -m anchor`` is the ``anchor`` command."""

from anchor.cli import main

if __name__ == "__main__":
    main()
