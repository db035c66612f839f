"""A small ledger that needs no database, as exports, and what the verifier says of one."""

import json
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import verifier
from ledger.sealing import exporting
from ledger.sealing.inclusion import Batch
from ledger.sealing.signing import Signer
from ledger.verifier import NO_LINK, PROOFS, RUN, Broken, Tree, leaf_hash, link_of

OURS = Signer(Ed25519PrivateKey.from_private_bytes(b"1" * 32))
NEXT = Signer(Ed25519PrivateKey.from_private_bytes(b"2" * 32))
THEIRS = Signer(Ed25519PrivateKey.from_private_bytes(b"3" * 32))

BATCHES = (3, 1, 5, 2)
SIZE = sum(BATCHES)


def body(position: int) -> bytes:
    return verifier.canonical({"action_name": "thing.do", "id": position, "reason": "ä}\n{"})


def key_of(signer: Signer, by: Signer | None = None) -> dict[str, str]:
    return {
        "key": signer.public,
        "endorsed_by": by.public if by else "",
        "endorsement": by.sign(verifier.endorsed(signer.public)) if by else "",
    }


class Book:
    """A small ledger that needs no database."""

    def __init__(self, signers: Sequence[Signer]) -> None:
        self.tree, self.lines, self.seals = Tree(), list[bytes](), list[Any]()
        self.proofs: list[bytes] = []
        self.log = signers[0].public
        link, position = NO_LINK, 0
        for number, (count, signer) in enumerate(zip(BATCHES, signers, strict=True), start=1):
            bodies = [body(position + each) for each in range(1, count + 1)]
            leaves = [leaf_hash(each) for each in bodies]
            before = Tree(self.tree.size, list(self.tree.frontier))
            self.tree.extend(leaves)
            seal = self.seal(number, link, signer)
            signature = signer.sign(verifier.canonical(seal))
            link = link_of(seal, signature)
            self.proofs.append(exporting.line({"seal": seal, "signature": signature}))
            for each in bodies:
                position += 1
                self.lines.append(exporting.entry_line(position, each))
                steps = json.dumps(
                    [step.hex() for step in Batch(before, leaves).proof(position - 1)],
                    separators=(",", ":"),
                )
                self.proofs.append(
                    b'{"position":%d,"proof":%s,"entry":%s}\n' % (position, steps.encode(), each)
                )
            self.lines.append(exporting.seal_line(seal, signature, leaves))
            self.seals.append((seal, signature, before))

    def seal(self, number: int, link: str, signer: Signer) -> dict[str, Any]:
        return {
            "format": "daybook.checkpoint/1",
            "key": signer.public,
            "log": self.log,
            "number": number,
            "previous": link,
            "root": self.tree.root().hex(),
            "sealed_at": "2026-01-01T00:00:00.000000Z",
            "size": self.tree.size,
        }


@cache
def whole() -> bytes:
    book = Book([OURS, OURS, NEXT, NEXT])
    header = {
        "format": RUN,
        "keys": [key_of(OURS), key_of(NEXT, OURS)],
        "log": OURS.public,
        "since": None,
        "through": {"root": book.tree.root().hex(), "size": SIZE},
    }
    return exporting.line(header) + b"".join(book.lines)


@cache
def later_part() -> bytes:
    book = Book([OURS] * 4)
    seal, signature, _ = book.seals[1]
    header = {
        "format": RUN,
        "keys": [key_of(OURS)],
        "log": OURS.public,
        "since": {
            "frontier": [node.hex() for node in book.seals[2][2].frontier],
            "seal": seal,
            "signature": signature,
        },
        "through": {"root": book.tree.root().hex(), "size": SIZE},
    }
    return exporting.line(header) + b"".join(book.lines[sum(BATCHES[:2]) + 2 :])


@cache
def selection() -> bytes:
    book = Book([OURS] * 4)
    header = {"count": SIZE, "format": PROOFS, "keys": [key_of(OURS)], "log": OURS.public}
    return exporting.line(header) + b"".join(book.proofs)


def check(content: bytes, **options: Any) -> verifier.Report:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "export.jsonl")
        path.write_bytes(content)
        return verifier.verify(str(path), **options)


def broken_at(content: bytes, **options: Any) -> int | None:
    with pytest.raises(Broken) as broken:
        check(content, **options)
    assert str(broken.value), "it says what is wrong"
    return broken.value.position


def lines_of(content: bytes) -> list[bytes]:
    return [each + b"\n" for each in content.split(b"\n") if each]
