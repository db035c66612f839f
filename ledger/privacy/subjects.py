"""Encryption keys of persons (subjects): destroyed when the person is erased.

Every subject has a key of its own, itself encrypted with the first of LEDGER_DATA_KEYS. A
ciphertext names its key, so an app stores bytes and nothing else.
"""

import json
import secrets
from functools import cache
from typing import Any, Final
from uuid import UUID

import orjson
from django.conf import settings

from events import wire
from events.domain.errors import NotFound
from events.ids import new_id
from ledger import conf
from ledger.domain.action import plain
from ledger.domain.keyed import Keyed
from ledger.models import SubjectKey
from ledger.privacy import vault
from ledger.privacy.vault import Safe

_INFO: Final = b"ledger subject keys"
_INDEX_INFO: Final = b"ledger blind index"
_TERMS_INFO: Final = b"ledger unreadable terms"
_KEY_ID_BYTES: Final = 16


class SubjectForgotten(NotFound):
    code = "subject_forgotten"
    hint = "It cannot be brought back; the certificate of the erasure says when and why."

    def __init__(self, key_id: UUID) -> None:
        super().__init__("The person it is about was erased.", key_id=str(key_id))


def seal(value: bytes, *, subject: str, of: str) -> bytes:
    """Return `value` so that it opens as long as `subject` is not forgotten, and only for `of`."""
    key = key_of(subject)
    return key.pk.bytes + safe_of(key).seal(value, of=of)


def unseal(sealed: bytes | memoryview, *, of: str) -> bytes:
    """Return what `seal` was given.

    :raises SubjectForgotten: if its key was destroyed.
    :raises SealBroken: if it was changed or moved, or no key of it is known.
    """
    sealed = bytes(sealed)
    key_id = UUID(bytes=sealed[:_KEY_ID_BYTES])
    key = SubjectKey.objects.filter(pk=key_id).first()
    if key is None:
        raise vault.SealBroken(f"The key that sealed the data of {of} was never here.")
    if key.wrapped is None:
        raise SubjectForgotten(key_id)
    return safe_of(key).unseal(sealed[_KEY_ID_BYTES:], of=of)


def key_of(subject: str) -> SubjectKey:
    """Return the key in use of a subject, made now if there is none.

    Locked as shared until the end of the transaction: it is not destroyed while something is
    being sealed under it.
    """
    while (row := wire.run(_KEY_IN_USE, [subject]).fetchone()) is None:
        key_id = new_id()
        wrapped = _master().seal(secrets.token_bytes(vault.KEY_BYTES), of=str(key_id))
        wire.run(_NEW_KEY, {"id": key_id, "subject": subject, "wrapped": wrapped})
    return SubjectKey(id=row[0], subject=subject, wrapped=row[1])


def safe_of(key: SubjectKey) -> Safe:
    """Return what seals and opens under a key that is not destroyed."""
    assert key.wrapped is not None
    return Safe((_master().unseal(key.wrapped, of=str(key.pk)),))


def fault_of(key: SubjectKey) -> str | None:
    """Return why nothing about a subject can be opened, None if it can.

    It names the key, not the person.
    """
    try:
        safe_of(key)
    except vault.SealBroken:
        return f"the key {key.pk} of a subject opens with none of {conf.DATA_KEYS}"
    return None


def index_of(value: str) -> str:
    """Return the blind index of a value: a keyed hash by which its sealed form can be found.

    Empty for an empty value.
    """
    value = " ".join(value.casefold().split())
    return _indexed(_master().keys[0], value) if value else ""


def indexes_of(value: str) -> list[str]:
    """Return all that `index_of` may have said of `value`, under older keys too."""
    value = " ".join(value.casefold().split())
    return [_indexed(key, value) for key in _master().keys] if value else []


def fingerprint_of(value: Any, *, of: str) -> Keyed:
    """Return a keyed fingerprint of a value: equal for equal values, useless for guessing them.

    It stands in the recorded input of an action for a value that nobody may read there, because it
    is personal, secret or long. The fingerprint of the same value differs between actions (`of`)
    and between keys of the installation: `under` has one for each key, and a recorded one may be
    any of them.
    """
    message = of.encode() + b"\0" + _written(value)
    return Keyed([vault.mac(key, _TERMS_INFO, message) for key in _master().keys])


def count_keys() -> int:
    """Return the number of keys that fingerprints and indexes on record may have been made with."""
    return len(_master().keys)


def _written(value: Any) -> bytes:
    try:
        # Ten times as fast as json, and a flow that starts says its whole plan.
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # What somebody was asked with may hold any number, and records of ours.
        return json.dumps(plain(value), sort_keys=True, default=str).encode()


def _indexed(key: bytes, value: str) -> str:
    return vault.mac(key, _INDEX_INFO, value.encode())


def _master() -> Safe:
    if texts := conf.data_keys():
        return vault.safe_of(tuple(texts), setting=conf.DATA_KEYS)
    return _derived(settings.SECRET_KEY)


@cache
def _derived(secret: str) -> Safe:
    return Safe((vault.derived(secret, _INFO),))


# Relies on ledger_subject_has_one_key_in_use.
_NEW_KEY = """
INSERT INTO ledger_subjectkey (id, subject, wrapped) VALUES (%(id)s, %(subject)s, %(wrapped)s)
ON CONFLICT (subject) WHERE destroyed_at IS NULL DO NOTHING
"""
_KEY_IN_USE = """
SELECT id, wrapped FROM ledger_subjectkey
 WHERE subject = %s AND destroyed_at IS NULL FOR SHARE
"""
