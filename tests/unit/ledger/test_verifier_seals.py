"""What the verifier makes of seals that somebody with a key has signed all the same."""

import hashlib
import json
from typing import Any

import pytest

from ledger import verifier
from ledger.sealing import exporting
from ledger.sealing.signing import Signer
from ledger.verifier import HINT_BYTES, PROOFS, RUN, Broken, leaf_hash
from tests.support.small_ledger import (
    BATCHES,
    NEXT,
    OURS,
    SIZE,
    THEIRS,
    Book,
    broken_at,
    check,
    key_of,
    later_part,
    lines_of,
    selection,
    whole,
)

LAST_BATCH = SIZE - BATCHES[-1] + 1
EVENTS = {"digest": "00" * 32, "through": 1}


class Forging(Signer):
    """A key of ours in the hands of somebody who has not got it."""

    def sign(self, message: bytes) -> str:
        return THEIRS.sign(message)


def why(content: bytes, **options: Any) -> str:
    with pytest.raises(Broken) as broken:
        check(content, **options)
    return str(broken.value)


def resealed(content: bytes, signer: Signer, **changes: Any) -> bytes:
    """Return the export with another last seal, signed for what it says."""
    lines = lines_of(content)
    at = max(number for number, line in enumerate(lines) if b'"seal":{' in line)
    line = json.loads(lines[at])
    line["seal"] |= changes
    line["signature"] = signer.sign(verifier.canonical(line["seal"]))
    return b"".join([*lines[:at], exporting.line(line), *lines[at + 1 :]])


def with_keys(*keys: dict[str, str], book: Book | None = None) -> bytes:
    lines = lines_of(whole()) if book is None else [b"", *book.lines]
    header = json.loads(lines_of(whole())[0])
    if book is not None:
        header["through"] = {"root": book.tree.root().hex(), "size": SIZE}
    return exporting.line({**header, "keys": [*keys]}) + b"".join(lines[1:])


class TestTheLastSeal:
    def test_may_sign_events_too(self) -> None:
        events = {"format": "daybook.checkpoint/2", "events": EVENTS}

        assert check(resealed(whole(), NEXT, **events)).size == SIZE

    @pytest.mark.parametrize(
        ("changes", "fault"),
        [
            ({"format": "daybook.checkpoint/3"}, "has another shape"),
            ({"format": "daybook.checkpoint/2"}, "has another shape"),
            ({"events": EVENTS}, "has another shape"),
            ({"log": NEXT.public}, "belongs to another log"),
            ({"number": 5}, "does not follow"),
            ({"previous": "11" * 32}, "does not follow"),
        ],
    )
    def test_is_refused_for_what_it_says(self, changes: dict[str, Any], fault: str) -> None:
        complaint = why(resealed(whole(), NEXT, **changes))

        assert complaint.startswith(f"position {SIZE}: ")
        assert fault in complaint

    def test_is_of_a_key_that_the_header_names(self) -> None:
        assert "of a key nobody knows" in why(resealed(whole(), THEIRS, key=THEIRS.public))

    @pytest.mark.parametrize("changes", [{"root": "00" * 32}, {"size": SIZE + 1}])
    def test_is_of_the_entries_before_it(self, changes: dict[str, Any]) -> None:
        assert broken_at(resealed(whole(), NEXT, **changes)) == LAST_BATCH

    def test_has_nothing_beside_it(self) -> None:
        lines = lines_of(whole())
        lines[-1] = exporting.line({**json.loads(lines[-1]), "more": 1})

        assert broken_at(b"".join(lines)) == SIZE + 1

    def test_is_there(self) -> None:
        assert broken_at(b"".join(lines_of(whole())[:-1])) == LAST_BATCH

    def test_of_a_selection_has_the_same_shape(self) -> None:
        assert "has another shape" in why(resealed(selection(), OURS, more=1))


def test_an_entry_that_was_changed_with_its_hint_is_found_by_the_root() -> None:
    lines = lines_of(whole())
    lines[-2] = lines[-2].replace(b"thing.do", b"thing.no")
    body = lines[-2][len(b'{"position":11,"entry":') : -2]
    seal = json.loads(lines[-1])
    hint = leaf_hash(body)[:HINT_BYTES].hex()
    lines[-1] = exporting.line({**seal, "hints": seal["hints"][: -len(hint)] + hint})

    assert broken_at(b"".join(lines)) == LAST_BATCH


def test_an_export_of_no_seal_says_nothing() -> None:
    header = json.loads(lines_of(whole())[0])
    through = {"root": hashlib.sha256(b"").hexdigest(), "size": 0}

    assert broken_at(exporting.line({**header, "through": through})) == 1


def test_a_witness_may_have_kept_the_checkpoint_at_which_a_part_begins() -> None:
    since = json.loads(lines_of(later_part())[0])["since"]["seal"]

    assert check(later_part(), checkpoint=f"{since['size']}:{since['root']}").entries == 7


class TestASelection:
    def test_is_told_from_a_run(self) -> None:
        assert check(selection()).is_selection
        assert not check(whole()).is_selection

    def test_is_compared_with_what_a_witness_kept(self) -> None:
        root = Book([OURS] * 4).seals[1][0]["root"]

        assert check(selection(), checkpoint=f"4:{root}").entries == SIZE
        assert broken_at(selection(), checkpoint=f"5:{root}") is None

    def test_has_a_seal_of_a_trusted_key_over_each_entry(self) -> None:
        book = Book([OURS, OURS, NEXT, NEXT])
        keys = [key_of(OURS), key_of(NEXT)]
        header = {"count": SIZE, "format": PROOFS, "keys": keys, "log": OURS.public}

        content = exporting.line(header) + b"".join(book.proofs)

        assert check(content, keys=[OURS.public, NEXT.public]).size == SIZE
        assert broken_at(content, keys=[NEXT.public]) == 1

    def test_names_no_entry_twice(self) -> None:
        lines = lines_of(selection())
        header = json.loads(lines[0])
        lines[0] = exporting.line({**header, "count": SIZE + 1})
        lines.insert(3, lines[2])

        assert broken_at(b"".join(lines)) == 2

    def test_has_no_entry_before_its_seal_nor_anything_beside_that(self) -> None:
        lines = lines_of(selection())
        more = exporting.line({**json.loads(lines[1]), "more": 1})

        assert broken_at(b"".join([lines[0], *lines[2:]])) == 1
        assert broken_at(b"".join([lines[0], more, *lines[2:]])) == 1

    def test_of_nothing_says_nothing(self) -> None:
        header = json.loads(lines_of(selection())[0])

        assert broken_at(exporting.line({**header, "count": 0})) == 1


class TestKeys:
    def test_that_were_not_told_are_trusted_for_no_endorsement(self) -> None:
        assert "is not trusted" in why(whole(), keys=[THEIRS.public])

    def test_follow_the_one_that_endorsed_them(self) -> None:
        content = with_keys(key_of(OURS), key_of(NEXT, THEIRS))

        assert "lists keys in another way" in why(content)

    def test_that_nobody_endorsed_are_trusted_by_who_was_told_them(self) -> None:
        content = with_keys(key_of(OURS), key_of(NEXT))

        assert "nobody vouches" in why(content)
        assert check(content, keys=[NEXT.public]).size == SIZE

    def test_have_no_endorsement_by_nobody(self) -> None:
        nobodys = {**key_of(NEXT, OURS), "endorsed_by": ""}

        assert "nobody vouches" in why(with_keys(key_of(OURS), nobodys), keys=[NEXT.public])

    def test_do_not_cover_a_forged_seal_of_the_one_before(self) -> None:
        book = Book([OURS, Forging(OURS.private), NEXT, NEXT])

        content = with_keys(key_of(OURS), key_of(NEXT, OURS), book=book)

        assert json.loads(content.split(b"\n")[0])["format"] == RUN
        assert broken_at(content) == sum(BATCHES[:2])
