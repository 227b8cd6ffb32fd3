"""``python -m atml``."""

from atml.cli import main

if __name__ == "__main__":
    main()
