"""Where the code is: in a checkout, with its files beside it, or in a wheel, with them inside."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_IN_WHEEL = ROOT / "config" / "wheel"
IS_INSTALLED = _IN_WHEEL.is_dir()
"""From a wheel, by pip: then there is nothing to install any more."""
FILES = _IN_WHEEL if IS_INSTALLED else ROOT
"""Has the folders `docs`, `static` and `templates`; setup.py puts them into the wheel."""
