from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.action import Action, Kind, Proof, Target
from ledger.domain.payload import MASK, RETENTIONS, Kept, PayloadKind, Redaction, commitment, masked

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 99) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


class TestMasked:
    def test_takes_the_values_at_the_pointers_and_leaves_the_rest(self) -> None:
        content = {"email": "a@b.c", "people": [{"name": "Ada", "seat": 3}, {"name": "Bo"}]}

        assert masked(content, ["/email", "/people/*/name"]) == {
            "email": MASK,
            "people": [{"name": MASK, "seat": 3}, {"name": MASK}],
        }

    def test_takes_whatever_is_under_a_pointer(self) -> None:
        assert masked({"who": {"name": "Ada", "of": ["x"]}}, ["/who"]) == {
            "who": {"name": MASK, "of": [MASK]}
        }

    def test_reads_pointers_as_their_standard_says(self) -> None:
        assert masked({"a/b": 1, "c~d": 2}, ["/a~1b", "/c~0d"]) == {"a/b": MASK, "c~d": MASK}

    def test_leaves_alone_what_is_not_there(self) -> None:
        assert masked({"a": 1}, ["/b/c", "/a/b"]) == {"a": 1}

    @given(JSON)
    def test_without_pointers_leaves_no_value(self, content: object) -> None:
        assert set(_leaves(masked(content))) <= {MASK}

    @given(JSON)
    def test_twice_is_once(self, content: object) -> None:
        assert masked(masked(content)) == masked(content)


def _leaves(content: object) -> list[object]:
    if isinstance(content, dict):
        return [leaf for value in content.values() for leaf in _leaves(value)]
    if isinstance(content, list):
        return [leaf for value in content for leaf in _leaves(value)]
    return [content]


class TestCommitment:
    def test_is_to_the_content_under_its_salt(self) -> None:
        assert commitment(b"salt", b"yes") == commitment(b"salt", b"yes")
        assert commitment(b"salt", b"yes") != commitment(b"salt", b"no")
        assert commitment(b"salt", b"yes") != commitment(b"another", b"yes")


class TestKept:
    def test_about_a_person_says_about_whom(self) -> None:
        with pytest.raises(AssertionError, match="say whom"):
            Kept(
                kind=PayloadKind.BEFORE,
                content={},
                schema_tag="t/1",
                retention=RETENTIONS["pii-90d"],
            )


class TestProof:
    def test_keeps_one_payload_of_a_kind_and_schema(self) -> None:
        action = Action(
            name="thing.do", kind=Kind.EXECUTE, target=Target(type="thing"), capability="a.b"
        )
        proof = Proof.of(action, entry_id=UUID(int=1))
        proof.keeps(PayloadKind.BEFORE, {}, schema_tag="t/1", retention="ops-400d")

        with pytest.raises(AssertionError, match="twice"):
            proof.keeps(PayloadKind.BEFORE, {}, schema_tag="t/1", retention="ops-400d")


def test_what_has_gone_stays_gone() -> None:
    assert [each for each in Redaction if each.is_final] == ["tombstoned", "crypto_shredded"]
