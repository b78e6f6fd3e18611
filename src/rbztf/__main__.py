"""``python -m rbztf`` is the command ``rbztf``."""

from __future__ import annotations

from rbztf.cli import main

if __name__ == "__main__":
    main()
