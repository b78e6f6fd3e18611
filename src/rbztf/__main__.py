"""``python -m rbztf`` is the command ``rbztf``."""

from rbztf.cli import main

if __name__ == "__main__":
    main()
