"""The fingerprint of a command: keyed, so that its input cannot be guessed from it.

Entries have it for good, and an export shows it: of an amount or an address a plain digest is
guessed in a moment. New ones are made with the first key of the installation; what is on record
is compared under each key, and with the plain digest that it was in earlier revisions.
"""

from typing import Any, Final

from events.domain import canonical
from ledger.domain import approval as rules
from ledger.domain.approval import Bound
from ledger.domain.keyed import under
from ledger.privacy import subjects

_OF: Final = "command"


def made(content: Any) -> str:
    """Return the fingerprint of JSON that says what is asked for.

    :raises ValueError: if it is no JSON.
    """
    # What is keyed in it says already what the first key makes of it.
    return str(subjects.fingerprint_of(canonical.fingerprint(content), of=_OF))


def known(content: Any) -> frozenset[str]:
    """Return all that may be on record of it: under each key, keyed or from before."""
    plain = [
        canonical.fingerprint(under(content, number)) for number in range(subjects.count_keys())
    ]
    keyed = [subjects.fingerprint_of(one, of=_OF).under[number] for number, one in enumerate(plain)]
    return frozenset([*plain, *keyed])


def of_bound(bound: Bound) -> frozenset[str]:
    """Return all that an approval of this may be bound to."""
    return known(rules.approved_content(bound))


def of_command(bound: Bound) -> frozenset[str]:
    """Return all that may be on record of the command, whatever the state of its target."""
    return known(rules.command_of(bound))
