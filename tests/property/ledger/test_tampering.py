"""Whatever is done to an export, the verifier finds it, and says where it begins."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ledger import verifier
from ledger.sealing import exporting
from ledger.verifier import RUN
from tests.support.small_ledger import (
    BATCHES,
    NEXT,
    OURS,
    SIZE,
    THEIRS,
    Book,
    body,
    broken_at,
    check,
    key_of,
    later_part,
    lines_of,
    selection,
    whole,
)

calm = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


EXPORTS = {"whole": whole, "later part": later_part, "selection": selection}
exports = pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)


@exports
def test_what_was_not_touched_is_in_order(export: Any) -> None:
    report = check(export())

    assert (report.size, report.entries) == (SIZE, 7 if export is later_part else SIZE)


@exports
@calm
@given(st.data())
def test_no_byte_can_be_changed(export: Any, data: st.DataObject) -> None:
    content = bytearray(export())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))

    broken_at(bytes(content))


@exports
@calm
@given(st.data())
def test_no_line_can_be_deleted_doubled_or_moved(export: Any, data: st.DataObject) -> None:
    lines = export().splitlines(keepends=True)
    lines = [each + b"\n" if not each.endswith(b"\n") else each for each in export().split(b"\n")]
    lines = [each for each in lines if each != b"\n"]
    at = data.draw(st.integers(0, len(lines) - 1))
    to = data.draw(st.integers(0, len(lines) - 1).filter(lambda to: to != at))
    tampered = {
        "deleted": lines[:at] + lines[at + 1 :],
        "doubled": lines[: at + 1] + lines[at:],
        "swapped": _swapped(lines, at, to),
        "cut off": lines[:at],
    }

    for each in tampered.values():
        broken_at(b"".join(each))


@exports
@calm
@given(st.data())
def test_nothing_can_be_put_in(export: Any, data: st.DataObject) -> None:
    content = export()
    at = data.draw(st.integers(0, len(content)))
    more = data.draw(st.binary(min_size=1, max_size=3) | st.sampled_from([b"{}\n", b"\n", b" "]))

    broken_at(content[:at] + more + content[at:])


def _swapped(lines: list[bytes], at: int, to: int) -> list[bytes]:
    copy = list(lines)
    copy[at], copy[to] = copy[to], copy[at]
    return copy


def index_of(position: int) -> int:
    start = b'{"position":%d,' % position
    return next(i for i, each in enumerate(lines_of(whole())) if each.startswith(start))


@pytest.mark.parametrize("position", range(1, SIZE + 1))
class TestTheFirstBadPositionIsNamed:
    def test_when_an_entry_was_edited(self, position: int) -> None:
        lines = lines_of(whole())
        at = index_of(position)
        lines[at] = lines[at].replace(b"thing.do", b"thing.no")

        assert broken_at(b"".join(lines)) == position

    def test_when_an_entry_was_deleted(self, position: int) -> None:
        lines = lines_of(whole())
        del lines[index_of(position)]

        assert broken_at(b"".join(lines)) == position

    def test_when_an_entry_was_deleted_and_the_others_moved_up(self, position: int) -> None:
        kept = [body(each) for each in range(1, SIZE + 1) if each != position]
        lines, number = [], 0
        for each in lines_of(whole()):
            if each.startswith(b'{"position":'):
                number += 1
                if number < SIZE:
                    lines.append(exporting.entry_line(number, kept[number - 1]))
            else:
                lines.append(each)

        assert broken_at(b"".join(lines)) == position

    def test_when_an_entry_was_put_in(self, position: int) -> None:
        lines = lines_of(whole())
        lines.insert(index_of(position), exporting.entry_line(position, body(99)))

        assert broken_at(b"".join(lines)) == position

    def test_when_an_entry_is_cut_off(self, position: int) -> None:
        lines = lines_of(whole())
        at = index_of(position)

        assert broken_at(b"".join(lines[:at]) + lines[at][:-5]) == position


class TestForgery:
    def test_by_another_key_is_found_by_who_knows_ours(self) -> None:
        book = Book([THEIRS] * 4)
        header = {
            "format": RUN,
            "keys": [key_of(THEIRS)],
            "log": THEIRS.public,
            "since": None,
            "through": {"root": book.tree.root().hex(), "size": SIZE},
        }
        forged = exporting.line(header) + b"".join(book.lines)

        assert check(forged).keys == [THEIRS.public]
        assert broken_at(forged, keys=[OURS.public]) is None

    def test_by_a_key_that_nobody_vouches_for_is_found(self) -> None:
        forged = whole().replace(
            key_of(NEXT, OURS)["endorsement"].encode(), key_of(NEXT, THEIRS)["endorsement"].encode()
        )

        assert broken_at(forged) is None

    def test_of_a_whole_history_is_found_by_a_witness(self) -> None:
        witnessed = f"4:{Book([OURS] * 4).seals[1][0]['root']}"

        assert check(whole(), checkpoint=witnessed).size == SIZE
        assert broken_at(whole(), checkpoint="4:" + "0" * 64) is None

    @pytest.mark.parametrize("number", range(4))
    def test_of_any_signature_is_found_at_its_seal(self, number: int) -> None:
        lines = lines_of(whole())
        at = [i for i, each in enumerate(lines) if each.startswith(b'{"hints":')][number]
        seal = json.loads(lines[at])
        seal["signature"] = OURS.sign(b"something else")
        lines[at] = exporting.line(seal)

        assert broken_at(b"".join(lines)) == sum(BATCHES[: number + 1])

    @pytest.mark.parametrize("number", range(4))
    @pytest.mark.parametrize("written", ["", "wf" * 64, "AB" * 64, "ab" * 63, "ä" * 128])
    def test_of_a_signature_that_is_none_is_found_at_its_seal(
        self, written: str, number: int
    ) -> None:
        lines = lines_of(whole())
        at = [i for i, each in enumerate(lines) if each.startswith(b'{"hints":')][number]
        lines[at] = exporting.line({**json.loads(lines[at]), "signature": written})

        assert broken_at(b"".join(lines)) == sum(BATCHES[: number + 1])

    def test_with_the_key_before_is_in_order_when_it_endorsed_this_one(self) -> None:
        assert check(whole(), keys=[OURS.public]).keys == [OURS.public, NEXT.public]
        assert check(whole(), keys=[NEXT.public]).size == SIZE


class TestASelection:
    @pytest.mark.parametrize("position", range(2, SIZE + 1))
    @pytest.mark.parametrize("written", [b'"', b'"abc"', b'"zz",', b'"ab" ,"cd"', b'"ab","cd'])
    def test_with_a_proof_that_is_none_names_its_entry(self, written: bytes, position: int) -> None:
        start = b'{"position":%d,"proof":[' % position
        assert start in selection()

        tampered = selection().replace(start, start + written)

        assert broken_at(tampered) == position

    @pytest.mark.parametrize("taken", ["seal", "signature"])
    def test_with_a_seal_that_is_none_names_the_entry_before_which_it_stands(
        self, taken: str
    ) -> None:
        lines = lines_of(selection())
        at = [i for i, each in enumerate(lines) if each.startswith(b'{"seal":')][2]
        seal = json.loads(lines[at])
        lines[at] = exporting.line({**seal, taken: None})

        assert broken_at(b"".join(lines)) == sum(BATCHES[:2]) + 1


class TestTheCommandLine:
    @pytest.mark.parametrize(
        "asked",
        [
            ["--checkpoint", "garbage"],
            ["--checkpoint", f"{SIZE}"],
            ["--key", "nonsense"],
            ["--jobs", "0"],
            ["--jobs", "-1"],
        ],
    )
    def test_blames_no_export_for_options_that_make_no_sense(
        self, asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "export.jsonl"
        path.write_bytes(whole())

        with pytest.raises(SystemExit) as ended:
            verifier.main([str(path), *asked])

        assert ended.value.code == 2
        errors = capsys.readouterr().err
        assert asked[0] in errors
        assert "BROKEN" not in errors

    def test_takes_hex_in_capitals(self, tmp_path: Path) -> None:
        path = tmp_path / "export.jsonl"
        path.write_bytes(whole())

        assert verifier.main([str(path), "--key", OURS.public.upper()]) == 0


@calm
@given(st.binary(max_size=80))
@example(b"")
@example(b"{}\n")
@example(b'{"format":"daybook.export/1"}\n')
@example(b"[]\n")
@example(b"[" * 100_000)
def test_what_is_no_export_is_refused(content: bytes) -> None:
    assert broken_at(content) is None
