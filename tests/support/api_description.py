"""What docs/openapi.yaml says of the operations of the API, and of their shapes."""

from functools import cache
from typing import Any

import yaml

from config.bootstrap import ROOT


def paths() -> dict[str, Any]:
    """Return the operations by address."""
    return dict(_description()["paths"])


def shape(name: str) -> dict[str, Any]:
    """Return the schema of that name."""
    return dict(_description()["components"]["schemas"][name])


@cache
def _description() -> dict[str, Any]:
    # By libyaml: in Python it takes seconds.
    text = (ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8")
    described: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return described
