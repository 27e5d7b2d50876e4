"""``python -m gigaam``: the command line."""

from gigaam.cli import main

if __name__ == "__main__":
    main()
