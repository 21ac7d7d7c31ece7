"""The command line: python -m minigrad."""

from .cli import main

if __name__ == "__main__":
    main()
