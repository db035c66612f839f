import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.sealing.inclusion import Batch
from ledger.verifier import Tree, is_signed, leaf_hash, root_by_proof

# The test vectors that come with implementations of RFC 6962.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
INPUTS += ["606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

# RFC 8032, 7.1: TEST 1 and TEST 3.
SIGNED = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def grown(count: int) -> tuple[Tree, list[bytes]]:
    leaves = [leaf_hash(b"%d" % number) for number in range(count)]
    tree = Tree()
    tree.extend(leaves)
    return tree, leaves


class TestTree:
    def test_of_nothing_is_the_hash_of_nothing(self) -> None:
        assert Tree().root() == hashlib.sha256(b"").digest()

    @pytest.mark.parametrize("size", range(1, 9))
    def test_has_the_root_that_the_standard_says(self, size: int) -> None:
        tree = Tree()
        tree.extend(leaf_hash(bytes.fromhex(each)) for each in INPUTS[:size])

        assert tree.root().hex() == ROOTS[size - 1]

    @given(st.integers(0, 70), st.integers(0, 70))
    def test_grows_from_its_frontier_as_if_never_interrupted(self, first: int, more: int) -> None:
        whole, leaves = grown(first + more)
        begun, _ = grown(first)

        again = Tree(begun.size, list(begun.frontier))
        again.extend(leaves[first:])

        assert (again.root(), again.size) == (whole.root(), whole.size)


class TestProof:
    @given(st.integers(0, 40), st.integers(1, 40), st.data())
    def test_leads_to_the_root_from_its_own_leaf_and_place_only(
        self, begun: int, more: int, data: st.DataObject
    ) -> None:
        whole, leaves = grown(begun + more)
        before, _ = grown(begun)
        index = data.draw(st.integers(begun, begun + more - 1))

        proof = Batch(before, leaves[begun:]).proof(index)

        assert root_by_proof(leaves[index], index, whole.size, proof) == whole.root()
        assert root_by_proof(leaf_hash(b"else"), index, whole.size, proof) != whole.root()
        for other in {index - 1, index + 1} & set(range(whole.size)):
            assert root_by_proof(leaves[index], other, whole.size, proof) != whole.root()
        assert root_by_proof(leaves[index], index, whole.size, [*proof, b"x" * 32]) is None


class TestIsSigned:
    @pytest.mark.parametrize(("public", "message", "signature"), SIGNED)
    def test_knows_the_signatures_of_the_standard(
        self, public: str, message: str, signature: str
    ) -> None:
        given = [bytes.fromhex(each) for each in (public, message, signature)]

        assert is_signed(given[0], given[1], given[2])
        assert not is_signed(given[0], given[1] + b"!", given[2])

    def test_knows_a_signature_from_one_that_differs_in_a_bit(self) -> None:
        private = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
        public = private.public_key().public_bytes_raw()
        signature = private.sign(b"message")

        assert is_signed(public, b"message", signature)
        for bit in range(0, 512, 37):
            forged = bytearray(signature)
            forged[bit // 8] ^= 1 << bit % 8
            assert not is_signed(public, b"message", bytes(forged))

    def test_takes_no_signature_in_a_second_spelling(self) -> None:
        # s + q signs the same equation; RFC 8032 wants s < q.
        public, message, signature = (bytes.fromhex(each) for each in SIGNED[0])
        order = 2**252 + 27742317777372353535851937790883648493
        s = int.from_bytes(signature[32:], "little") + order

        assert not is_signed(public, message, signature[:32] + s.to_bytes(32, "little"))

    @pytest.mark.parametrize("public", [b"", b"\xff" * 32, b"\x02" + b"\0" * 31])
    def test_takes_no_key_that_is_none(self, public: bytes) -> None:
        assert not is_signed(public, b"", bytes(64))
