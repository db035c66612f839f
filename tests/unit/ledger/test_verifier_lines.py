"""What the verifier makes of lines that are nearly right, by the export of a small ledger."""

import json
from typing import Any

import pytest

from ledger import verifier
from ledger.sealing import exporting
from ledger.verifier import leaf_hash, root_by_proof
from tests.support.small_ledger import broken_at, check, later_part, lines_of, selection, whole

HEADER, FIRST, SECOND, THIRD, SEAL = range(5)


def changed(line: bytes, **changes: Any) -> bytes:
    return exporting.line({**json.loads(line), **changes})


def with_line(number: int, line: bytes, content: bytes | None = None) -> bytes:
    lines = lines_of(content or whole())
    lines[number] = line
    return b"".join(lines)


class TestALine:
    @pytest.mark.parametrize(("number", "position"), [(HEADER, None), (SEAL, 3)])
    @pytest.mark.parametrize(
        ("written", "otherwise"),
        [(b":", b": "), (b'"key"', b'"\\u006bey"'), (b"daybook", b"\xff")],
    )
    def test_has_one_spelling(
        self, written: bytes, otherwise: bytes, number: int, position: int | None
    ) -> None:
        line = lines_of(whole())[number]
        assert written in line

        assert broken_at(with_line(number, line.replace(written, otherwise, 1))) == position

    def test_of_a_seal_has_hints_in_small_letters(self) -> None:
        seal = lines_of(whole())[SEAL]
        hints = json.loads(seal)["hints"]

        assert broken_at(with_line(SEAL, changed(seal, hints=hints.upper()))) == 3

    @pytest.mark.parametrize(
        "otherwise",
        [b'{"positiom":2,"entry":', b'{"position":9,"entry":', b'{"position":2 "entry":'],
    )
    def test_of_a_further_entry_begins_with_its_position(self, otherwise: bytes) -> None:
        line = lines_of(whole())[SECOND]

        assert broken_at(with_line(SECOND, line.replace(b'{"position":2,"entry":', otherwise))) == 2

    @pytest.mark.parametrize("junk", [b"junk\n", b'{"position":0,"entry":{}}\n', b"{}\n"])
    def test_that_is_none_is_named_by_its_place(self, junk: bytes) -> None:
        lines = lines_of(whole())
        lines.insert(THIRD, junk)

        assert broken_at(b"".join(lines)) == 3

    def test_is_read_once_however_the_file_is_cut(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for size in (1, 100, 701):
            monkeypatch.setattr(verifier, "CHUNK_BYTES", size)
            assert check(whole()).entries == 11


class TestAHeader:
    @pytest.mark.parametrize(
        "changes",
        [
            {"keys": []},
            {"keys": None},
            {"keys": [{"key": 5, "endorsed_by": "", "endorsement": ""}]},
            {"keys": [{"key": "ab"}]},
            {"log": "00" * 32},
            {"log": []},
            {"since": {}},
            {"since": 1},
            {"through": None},
            {"through": {"size": 11, "root": "00" * 32}},
            {"more": 1},
            {"format": "daybook.export/2"},
            {"format": []},
        ],
    )
    def test_of_another_shape_is_named(self, changes: dict[str, Any]) -> None:
        header = lines_of(whole())[HEADER]

        assert broken_at(with_line(HEADER, changed(header, **changes))) in {None, 12}

    @pytest.mark.parametrize(
        "changes",
        [{"endorsed_by": ""}, {"endorsement": ""}, {"more": ""}, {"endorsed_by": "00" * 32}],
    )
    def test_lists_keys_with_all_that_vouches_for_them(self, changes: dict[str, str]) -> None:
        header = json.loads(lines_of(whole())[HEADER])
        header["keys"][1] |= changes

        assert broken_at(with_line(HEADER, exporting.line(header))) is None

    @pytest.mark.parametrize(
        "changes",
        [{"frontier": []}, {"frontier": ["00" * 32]}, {"more": 1}, {"signature": "00" * 64}],
    )
    def test_of_a_later_part_begins_at_a_true_checkpoint(self, changes: dict[str, Any]) -> None:
        header = json.loads(lines_of(later_part())[HEADER])
        header["since"] |= changes

        content = with_line(HEADER, exporting.line(header), later_part())

        assert broken_at(content) in {None, 4}


class TestASeal:
    @pytest.mark.parametrize(
        "changes",
        [
            {"format": "daybook.checkpoint/3"},
            {"format": []},
            {"log": "00" * 32},
            {"key": "00" * 32},
            {"number": 2},
            {"previous": "11" * 32},
            {"size": 4},
            {"root": "00" * 32},
            {"sealed_at": "2027-01-01T00:00:00.000000Z"},
            {"events": {"digest": "00" * 32, "through": 1}},
        ],
    )
    def test_that_says_another_thing_is_found(self, changes: dict[str, Any]) -> None:
        seal = json.loads(lines_of(whole())[SEAL])
        seal["seal"] |= changes

        assert broken_at(with_line(SEAL, exporting.line(seal))) in {1, 3, 4}


class TestASelection:
    def test_counts_its_entries(self) -> None:
        header = lines_of(selection())[HEADER]

        for count in (10, 12, True):
            content = with_line(HEADER, changed(header, count=count), selection())
            assert broken_at(content) == 12

    def test_has_each_entry_under_a_seal_that_reaches_it(self) -> None:
        lines = lines_of(selection())
        seals = [number for number, line in enumerate(lines) if line.startswith(b'{"seal":')]

        del lines[seals[1]]

        assert broken_at(b"".join(lines)) == 4

    def test_uses_each_seal_once(self) -> None:
        lines = lines_of(selection())
        lines.insert(2, lines[1])

        assert broken_at(b"".join(lines)) == 1


class TestAProof:
    LEAF = leaf_hash(b"entry")

    @pytest.mark.parametrize(("index", "size"), [(1, 1), (2, 1), (0, 0), (3, 3)])
    def test_of_a_place_beyond_the_tree_leads_nowhere(self, index: int, size: int) -> None:
        assert root_by_proof(self.LEAF, index, size, []) is None

    @pytest.mark.parametrize(("size", "steps"), [(1, 1), (2, 0), (2, 2), (4, 1), (4, 3)])
    def test_of_another_length_leads_nowhere(self, size: int, steps: int) -> None:
        assert root_by_proof(self.LEAF, 0, size, [b"x" * 32] * steps) is None
