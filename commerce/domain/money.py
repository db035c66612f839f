"""Money: whole minor units and an ISO 4217 currency. Never a float, never two currencies."""

from collections.abc import Iterable
from dataclasses import dataclass

from events.domain.errors import Rejected
from ledger.domain.money import written

AMOUNT_CENTS_MAX = 10**15 - 1
"""What JSON numbers and a bigint column both hold exactly, with room to add many of them."""

BASIS_POINTS = 10_000

_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD
KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO
NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE
SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYI UYU UZS VED VES
VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG
"""

CURRENCIES = frozenset(_CODES.split())


class CurrencyUnknown(Rejected):
    code = "currency_unknown"
    hint = "Use a three-letter ISO 4217 code in capitals, such as EUR."

    def __init__(self, currency: str) -> None:
        super().__init__(f"{currency!r} is not a currency.", currency=currency)


class CurrenciesMixed(Rejected):
    code = "currencies_mixed"
    hint = "Keep everything of one document or booking in one currency."

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other} cannot be mixed.", currencies=[one, other])


class AmountOutOfRange(Rejected):
    code = "amount_out_of_range"
    hint = "Split it, or check whether it is in minor units of the currency."

    def __init__(self, amount_cents: int) -> None:
        super().__init__(
            f"An amount of {amount_cents} minor units is out of range.",
            amount_cents=amount_cents,
        )


@dataclass(frozen=True, slots=True)
class Money:
    """An amount that knows its currency.

    :raises CurrencyUnknown: if `currency` is not an ISO 4217 code.
    :raises AmountOutOfRange: if the amount is beyond `AMOUNT_CENTS_MAX`.
    """

    amount_cents: int
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in CURRENCIES:
            raise CurrencyUnknown(self.currency)
        if abs(self.amount_cents) > AMOUNT_CENTS_MAX:
            raise AmountOutOfRange(self.amount_cents)

    def __add__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.amount_cents + other.amount_cents, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same_currency(other)
        return Money(self.amount_cents - other.amount_cents, self.currency)

    def __mul__(self, quantity: int) -> "Money":
        return Money(self.amount_cents * quantity, self.currency)

    def share(self, basis_points: int) -> "Money":
        """Return this part of it, rounded down to a whole minor unit."""
        return Money(self.amount_cents * basis_points // BASIS_POINTS, self.currency)

    def __str__(self) -> str:
        return written(self.amount_cents, self.currency)

    def _same_currency(self, other: "Money") -> None:
        if other.currency != self.currency:
            raise CurrenciesMixed(self.currency, other.currency)


def total(amounts: Iterable[Money], *, currency: str) -> Money:
    """Add up; nothing is zero of `currency`.

    :raises CurrenciesMixed: if one of them is in another currency.
    """
    return sum(amounts, start=Money(0, currency))
