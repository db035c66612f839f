"""What docs/openapi.yaml says of the operations of the API."""

from functools import cache
from typing import Any

import yaml

from config.bootstrap import ROOT


@cache
def paths() -> dict[str, Any]:
    """Return the operations by address. Read by libyaml: in Python it takes seconds."""
    text = (ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8")
    described: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return dict(described["paths"])
