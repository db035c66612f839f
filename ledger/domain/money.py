"""Amounts as people read them: minor units, with the digits that ISO 4217 gives their currency."""

_WITHOUT_MINOR_UNIT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_WITH_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"

_MINOR_DIGITS = {
    **dict.fromkeys(_WITHOUT_MINOR_UNIT.split(), 0),
    **dict.fromkeys(_WITH_THREE_DIGITS.split(), 3),
}


def written(amount_cents: int, currency: str) -> str:
    """Return an amount as people write it: `1,234.50 EUR`, `-999 JPY`, `1.001 KWD`."""
    digits = _MINOR_DIGITS.get(currency, 2)
    sign = "-" if amount_cents < 0 else ""
    whole, minor = divmod(abs(amount_cents), 10**digits)
    fraction = f".{minor:0{digits}d}" if digits else ""
    return f"{sign}{whole:,}{fraction} {currency}"
