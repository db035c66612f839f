"""Masks personal data: shows that it exists without showing it."""

_HIDDEN = "•••"
_SHOWN = 2


def mask_text(value: str) -> str:
    """Keep the first letter: `Ada` becomes `A•••`."""
    return f"{value[0]}{_HIDDEN}" if value else ""


def mask_email(value: str) -> str:
    """Keep the first letter and the domain: `a•••@example.com`."""
    name, at, domain = value.rpartition("@")
    return f"{mask_text(name)}@{domain}" if at else mask_text(value)


def mask_address(value: str) -> str:
    """Keep the first letter, and neither name nor domain: `a•••@•••`."""
    name, at, _ = value.rpartition("@")
    return f"{mask_text(name)}@{_HIDDEN}" if at else mask_text(value)


def mask_number(value: str) -> str:
    """Keep the last two characters of a phone or document number: `•••41`."""
    if not value:
        return ""
    return f"{_HIDDEN}{value[-_SHOWN:]}" if len(value) > 2 * _SHOWN else _HIDDEN
