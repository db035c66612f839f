"""Check an export of the ledger offline. One file, nothing but Python's standard library.

    python3 verifier.py FILE [--key HEX]… [--checkpoint SIZE:ROOT] [--jobs N]

Exit 0: every byte is what was sealed. Exit 1: it says where that ends. Exit 2: it cannot be
read, or the options make no sense.
An export is lines of JSON: a header, then entries, each batch followed by its seal. A seal is
a checkpoint over the Merkle tree (RFC 6962) of all entries up to there, signed with Ed25519
(RFC 8032), and chained to the one before it by the hash of that one and its signature.
"""

import os
import sys

if __name__ == "__main__":  # Some of this file's neighbours are called as standard modules are.
    _HERE = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [each for each in sys.path if os.path.abspath(each or ".") != _HERE]

import argparse
import hashlib
import json
import multiprocessing
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RUN = "daybook.export/1"
PROOFS = "daybook.proofs/1"
HINT_BYTES = 8
NO_LINK = "0" * 64
CHUNK_BYTES = 32 * 1024 * 1024

UNPROVEN = """It does not prove:
- that what people and programs told the ledger was true when they told it;
- that whoever held the signing key did not write another history before a witness saw it:
  compare size and root with a checkpoint that was kept elsewhere (--checkpoint);
- that the key is the right one: compare it with what you were told (--key);
- that nothing was done after the last seal{more}."""


class Broken(Exception):
    """The export is not what was sealed, from `position` on (None: not even the header is)."""

    def __init__(self, position: int | None, why: str) -> None:
        super().__init__(why if position is None else f"position {position}: {why}")
        self.position = position


@dataclass
class Report:
    """What was found to be in order."""

    entries: int
    size: int
    root: str
    sealed_at: str
    keys: list[str]
    is_selection: bool


# The tree.


def leaf_hash(body: bytes) -> bytes:
    """Return the hash of an entry as a leaf of the tree."""
    return hashlib.sha256(b"\0" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees put together."""
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass
class Tree:
    """A tree that grows at its end: of what is complete only the roots are kept."""

    size: int = 0
    frontier: list[bytes] = field(default_factory=list)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves."""
        sha256, frontier, size = hashlib.sha256, self.frontier, self.size
        for leaf in leaves:
            node, rest = leaf, size
            while rest & 1:
                node = sha256(b"\1" + frontier.pop() + node).digest()
                rest >>= 1
            frontier.append(node)
            size += 1
        self.size = size

    def root(self) -> bytes:
        """Return the hash of the whole."""
        if not self.frontier:
            return hashlib.sha256(b"").digest()
        root = self.frontier[-1]
        for left in reversed(self.frontier[:-1]):
            root = node_hash(left, root)
        return root


def root_by_proof(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """Return the root that an inclusion proof leads to, None if it has the wrong length.

    `index` counts from 0. RFC 9162, 2.1.3.2.
    """
    if index >= size:
        return None
    at, last, root = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return None
        if at & 1 or at == last:
            root = node_hash(step, root)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, step)
        at, last = at >> 1, last >> 1
    return root if last == 0 else None


# Ed25519, as RFC 8032 has it. Slow, and needed once per key.

_P = 2**255 - 19
_Q = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)

Point = tuple[int, int, int, int]


def _add(p: Point, q: Point) -> Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(number: int, p: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = _add(total, p)
        p = _add(p, p)
        number >>= 1
    return total


def _point(written: bytes) -> Point | None:
    y = int.from_bytes(written, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return x, y, 1, x * y % _P


_BASE = _point((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little"))


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether `signature` is that of the key for the message."""
    if len(public) != 32 or len(signature) != 64:  # noqa: PLR2004 - bytes of Ed25519.
        return False
    key, nonce = _point(public), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if key is None or nonce is None or s >= _Q:
        return False
    assert _BASE is not None
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    h = int.from_bytes(digest, "little") % _Q
    left, right = _times(s, _BASE), _add(nonce, _times(h, key))
    return (
        left[0] * right[2] % _P == right[0] * left[2] % _P
        and left[1] * right[2] % _P == right[1] * left[2] % _P
    )


# Lines.


def canonical(value: Any) -> bytes:
    """Return the one spelling of a header or a seal: it holds ASCII, integers and lists."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def unhex(text: str) -> bytes:
    """Read bytes that are written in hex, in the one way in which we write them."""
    value = bytes.fromhex(text)
    if value.hex() != text:
        raise ValueError(text)
    return value


def link_of(statement: dict[str, Any], signature: str) -> str:
    """Return what the next checkpoint says of this one."""
    return hashlib.sha256(canonical(statement) + unhex(signature)).hexdigest()


def endorsed(public: str) -> bytes:
    """Return what the key before signs to make `public` its successor."""
    return b"daybook.key/1 " + public.encode()


def _parsed(line: bytes, position: int | None, what: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:  # The latter of brackets without end.
        raise Broken(position, f"the {what} is not JSON") from error
    if not isinstance(value, dict) or canonical(value) + b"\n" != line:
        raise Broken(position, f"the {what} is not spelled as it was written")
    return value


@dataclass
class Leaves:
    """Entries in a row, as their hashes."""

    first: int
    hashes: list[bytes]


@dataclass
class Unreadable:
    """A line that is neither an entry nor a seal."""

    why: str


Item = Leaves | bytes | Unreadable
"""Entries, the line of a seal, or where a chunk ends early."""

_POSITION = re.compile(rb'\{"position":([1-9][0-9]{0,17}),"entry":\{')


def read_chunk(task: tuple[str, int, int]) -> list[Item]:
    """Read the lines of a file from one byte to another: hash entries, hand on seals."""
    path, at, end = task
    items: list[Item] = []
    run: Leaves | None = None
    sha256, prefix = hashlib.sha256, _NOTHING
    with Path(path).open("rb") as file:
        file.seek(at)
        while at < end and (line := file.readline()):
            at += len(line)
            if run is not None and line.startswith(prefix) and line.endswith(b"}}\n"):
                run.hashes.append(sha256(b"\0" + line[len(prefix) : -2]).digest())
            else:
                items.append(_begun(line))
                if isinstance(items[-1], Unreadable):
                    break
                run = items[-1] if isinstance(items[-1], Leaves) else None
            prefix = _prefix(run.first + len(run.hashes)) if run is not None else _NOTHING
    return items


_NOTHING = b"\n"
"""No line of an export starts like this."""


def _prefix(position: int) -> bytes:
    return b'{"position":%d,"entry":' % position


def _begun(line: bytes) -> Item:
    """Read a line that does not continue where the one before it ended."""
    if line.startswith(b'{"hints":') and line.endswith(b"}\n"):
        return line
    found = _POSITION.match(line)
    if found is None or not line.endswith(b"}}\n"):
        return Unreadable("a line is neither a whole entry nor a seal")
    position = int(found[1])
    return Leaves(position, [leaf_hash(line[len(_prefix(position)) : -2])])


def _chunks(path: str, start: int) -> Iterator[tuple[str, int, int]]:
    size = os.path.getsize(path)
    with Path(path).open("rb") as file:
        while start < size:
            file.seek(min(start + CHUNK_BYTES, size))
            file.readline()
            end = file.tell()
            yield path, start, end
            start = end


# Checking.

_MISSHAPEN = (KeyError, TypeError, ValueError, AttributeError, IndexError)
_SINCE = {"frontier", "seal", "signature"}
_SEAL = {"hints", "seal", "signature"}
_HEADERS = {
    RUN: {"format", "keys", "log", "since", "through"},
    PROOFS: {"count", "format", "keys", "log"},
}
_STATEMENT = {"format", "key", "log", "number", "previous", "root", "sealed_at", "size"}
# The second signs the log of events as well, which is not in an export.
_STATEMENTS = {
    "daybook.checkpoint/1": _STATEMENT,
    "daybook.checkpoint/2": _STATEMENT | {"events"},
}
_SIGNATURE = re.compile("[0-9a-f]{128}")
_KEY = re.compile("[0-9a-f]{64}")
_CHECKPOINT = re.compile("(0|[1-9][0-9]{0,17}):[0-9a-f]{64}")


class _Chain:
    """Checkpoints as they follow each other: numbers, links, keys and signatures."""

    def __init__(self, header: dict[str, Any], pins: Sequence[str]) -> None:
        self.log = header["log"]
        self.keys = _keys_of(header, pins)
        self.last: tuple[dict[str, Any], str] | None = None

    def begin(self, statement: dict[str, Any], signature: str) -> None:
        """Take the checkpoint that stands in the header."""
        self._check_shape(None, statement, signature)
        self.last = statement, signature
        self.check_last()

    def follow(self, statement: dict[str, Any], signature: str) -> None:
        """Take the next checkpoint of the file."""
        at = statement["size"]
        self._check_shape(at, statement, signature)
        number, link = 1, NO_LINK
        if self.last is not None:
            number, link = self.last[0]["number"] + 1, link_of(*self.last)
        if statement["number"] != number or statement["previous"] != link:
            self.check_last()  # If that one was changed, the fault is there.
            raise Broken(at, "the seal does not follow the one before it")
        if self.last is not None and self.last[0]["key"] != statement["key"]:
            self.check_last()
        self.last = statement, signature

    def _check_shape(self, at: int | None, statement: dict[str, Any], signature: str) -> None:
        if set(statement) != _STATEMENTS.get(statement["format"]):
            raise Broken(at, "the seal has another shape")
        if statement["log"] != self.log or statement["key"] not in self.keys:
            raise Broken(at, "the seal belongs to another log, or is of a key nobody knows")
        # Here, not where it is checked: that is after others, and the fault is in this one.
        if not _SIGNATURE.fullmatch(signature):
            raise Broken(at, "the signature of the seal is forged")

    def check_last(self) -> None:
        """Check the latest signature. It covers those before it, by their links."""
        if self.last is not None and not _is_sealed(*self.last):
            raise Broken(self.last[0]["size"], "the signature of the seal is forged")


def _is_sealed(statement: dict[str, Any], signature: str) -> bool:
    key = unhex(statement["key"])
    return is_signed(key, canonical(statement), unhex(signature))


def _keys_of(header: dict[str, Any], pins: Sequence[str]) -> dict[str, bool]:
    """Return the keys that may have signed, and which of them are to be trusted at the end."""
    before, trusted = "", set(pins) or {header["log"]}
    keys: dict[str, bool] = {}
    for each in header["keys"]:
        key, by, endorsement = each["key"], each["endorsed_by"], each["endorsement"]
        if set(each) != {"key", "endorsed_by", "endorsement"} or (by and by != before):
            raise Broken(None, "the header lists keys in another way")
        if by:
            if not is_signed(unhex(by), endorsed(key), unhex(endorsement)):
                raise Broken(None, f"the key {key} was not endorsed by the one before it")
            if by in trusted:
                trusted.add(key)
        elif endorsement or (before and not pins):
            raise Broken(None, f"nobody vouches for the key {key}: trust it with --key, or do not")
        keys[key], before = key in trusted, key
    if header["log"] != header["keys"][0]["key"]:
        raise Broken(None, "the log is not named for its first key")
    return keys


def _check_batch(tree: Tree, leaves: list[bytes], seal: dict[str, Any]) -> None:
    """Check entries against their seal, and grow the tree by them."""
    first, hints = tree.size + 1, unhex(seal["hints"])
    for index, leaf in enumerate(leaves):
        if leaf[:HINT_BYTES] != hints[index * HINT_BYTES : (index + 1) * HINT_BYTES]:
            raise Broken(first + index, "this is not the entry that was sealed here")
    if set(seal) != _SEAL or len(hints) != len(leaves) * HINT_BYTES:
        raise Broken(first + len(leaves), "an entry is missing before the seal")
    tree.extend(leaves)
    if tree.size != seal["seal"]["size"] or tree.root().hex() != seal["seal"]["root"]:
        why = f"an entry from here to {tree.size} was changed, or their seal was"
        raise Broken(first, why)


def _check_run(
    path: str, start: int, header: dict[str, Any], chain: _Chain, options: argparse.Namespace
) -> Report:
    tree = _begun_tree(header["since"], chain)
    begin, known = tree.size, {tree.size: tree.root().hex()}
    for leaves, line in _batches(tree, _items(path, start, options.jobs)):
        here = tree.size + len(leaves)
        try:
            seal = _parsed(line, here, "seal")
            _check_batch(tree, leaves, seal)
            chain.follow(seal["seal"], seal["signature"])
        except _MISSHAPEN as error:
            raise Broken(here, "the seal has another shape") from error
        known[tree.size] = seal["seal"]["root"]
    if chain.last is None or canonical(header["through"]) != canonical(_through(tree)):
        raise Broken(tree.size + 1, "the export ends elsewhere than its header says")
    chain.check_last()
    _compare(known, options.checkpoint)
    return _report(header, chain, tree.size - begin)


def _batches(tree: Tree, items: Iterator[Item]) -> Iterator[tuple[list[bytes], bytes]]:
    """Yield the entries of each batch and the line of its seal; `tree` grows meanwhile."""
    leaves: list[bytes] = []
    for item in items:
        here = tree.size + len(leaves) + 1
        if isinstance(item, bytes):
            yield leaves, item
            leaves = []
        elif isinstance(item, Leaves) and item.first == here:
            leaves += item.hashes
        else:
            why = (
                f"the entry of position {item.first} stands here"
                if isinstance(item, Leaves)
                else item.why
            )
            # What is out of place may follow something that is wrong: the seal would tell.
            seal = next((each for each in items if isinstance(each, bytes)), b"")
            _check_hints(tree.size + 1, leaves, seal)
            raise Broken(here, why)
    if leaves:
        raise Broken(tree.size + 1, "these entries have no seal: the export was cut off")


def _check_hints(first: int, leaves: list[bytes], line: bytes) -> None:
    found = re.match(rb'\{"hints":"([0-9a-f]*)"', line)
    hints = bytes.fromhex(found[1].decode()) if found and len(found[1]) % 2 == 0 else b""
    for index, leaf in enumerate(leaves):
        hint = hints[index * HINT_BYTES : (index + 1) * HINT_BYTES]
        if len(hint) == HINT_BYTES and leaf[:HINT_BYTES] != hint:
            raise Broken(first + index, "this is not the entry that was sealed here")


def _begun_tree(since: dict[str, Any] | None, chain: _Chain) -> Tree:
    if since is None:
        return Tree()
    seal, signature = since["seal"], since["signature"]
    tree = Tree(seal["size"], [unhex(each) for each in since["frontier"]])
    chain.begin(seal, signature)
    is_whole = len(tree.frontier) == tree.size.bit_count() and set(since) == _SINCE
    if not is_whole or tree.root().hex() != seal["root"]:
        raise Broken(None, "the checkpoint at which the export begins is forged")
    return tree


def _through(tree: Tree) -> dict[str, Any]:
    return {"size": tree.size, "root": tree.root().hex()}


def _items(path: str, start: int, jobs: int) -> Iterator[Item]:
    tasks = _chunks(path, start)
    if jobs == 1 or os.path.getsize(path) < CHUNK_BYTES:
        for task in tasks:
            yield from read_chunk(task)
        return
    with multiprocessing.Pool(jobs) as pool:
        for items in pool.imap(read_chunk, tasks):
            yield from items


_STEPS = re.compile(rb'(?:"[0-9a-f]{64}"(?:,(?=")|$))*')
_PROOF = re.compile(rb'\{"position":([1-9][0-9]{0,17}),"proof":\[([0-9a-f",]*)\],"entry":')


def _check_proofs(
    path: str, start: int, header: dict[str, Any], chain: _Chain, options: argparse.Namespace
) -> Report:
    last, count, known = 0, 0, dict[int, str]()
    seal: dict[str, Any] = {}
    with Path(path).open("rb") as file:
        file.seek(start)
        for line in file:
            if line.startswith(b'{"seal":'):
                try:
                    seal = _next_seal(line, last, seal, chain)
                except _MISSHAPEN as error:
                    raise Broken(last + 1, "the seal has another shape") from error
                known[seal["size"]] = seal["root"]
                continue
            found = _PROOF.match(line)
            if found is None or not seal or not line.endswith(b"}}\n") or int(found[1]) <= last:
                raise Broken(last + 1, "here stands no whole entry with its proof")
            last, count = int(found[1]), count + 1
            if _proved_root(line, found, seal) != seal["root"]:
                raise Broken(last, "this is not the entry that was sealed here")
    if canonical(header["count"]) != canonical(count) or not known:
        raise Broken(last + 1, "there are fewer or more entries than the header says")
    _compare(known, options.checkpoint)
    return _report(header, chain, count)


def _next_seal(line: bytes, last: int, before: dict[str, Any], chain: _Chain) -> dict[str, Any]:
    value = _parsed(line, last + 1, "seal")
    seal: dict[str, Any] = value["seal"]
    chain.begin(seal, value["signature"])
    is_later = before.get("number", 0) < seal["number"]
    if set(value) != {"seal", "signature"} or not is_later or not chain.keys[seal["key"]]:
        raise Broken(last + 1, "the seal does not belong here, or its key is not trusted")
    return seal


def _proved_root(line: bytes, found: re.Match[bytes], seal: dict[str, Any]) -> str | None:
    if not _STEPS.fullmatch(found[2]):
        return None
    steps = re.findall(r"[0-9a-f]+", found[2].decode())
    leaf, index = leaf_hash(line[found.end() : -2]), int(found[1]) - 1
    root = root_by_proof(leaf, index, seal["size"], [unhex(step) for step in steps])
    return None if root is None else root.hex()


def _compare(known: dict[int, str], checkpoint: str | None) -> None:
    if checkpoint is None:
        return
    size, _, root = checkpoint.partition(":")
    if known.get(int(size)) != root:
        raise Broken(None, f"the export has no seal of {size} entries with that root")


def _report(header: dict[str, Any], chain: _Chain, entries: int) -> Report:
    assert chain.last is not None
    statement = chain.last[0]
    if not chain.keys[statement["key"]]:
        raise Broken(None, f"the last seal is of the key {statement['key']}, which is not trusted")
    return Report(
        entries=entries,
        size=statement["size"],
        root=statement["root"],
        sealed_at=statement["sealed_at"],
        keys=list(chain.keys),
        is_selection=header["format"] == PROOFS,
    )


_CHECKS = {RUN: _check_run, PROOFS: _check_proofs}


def verify(
    path: str, *, keys: Sequence[str] = (), checkpoint: str | None = None, jobs: int = 1
) -> Report:
    """Check the export at `path`.

    :raises Broken: at the first place that is not as it was sealed.
    :raises OSError: if it cannot be read.
    """
    options = argparse.Namespace(jobs=jobs, checkpoint=checkpoint)
    with Path(path).open("rb") as file:
        line = file.readline()
    header = _parsed(line, None, "header")
    try:
        check = _CHECKS[header["format"]]
        if set(header) != _HEADERS[header["format"]]:
            raise Broken(None, "the header has another shape")
        return check(path, len(line), header, _Chain(header, keys), options)
    except _MISSHAPEN as error:
        raise Broken(None, "the header has another shape") from error


def _written(shape: re.Pattern[str], as_what: str) -> Callable[[str], str]:
    """Return what reads an option of the command line. Hex may be in capitals there."""

    def read(text: str) -> str:
        if not shape.fullmatch(text.lower()):
            raise argparse.ArgumentTypeError(f"say it as {as_what}, not {text!r}")
        return text.lower()

    return read


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"say a number from 1 on, not {text!r}")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    parser = argparse.ArgumentParser(prog="verifier.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("file")
    # What is asked wrongly is no fault of the export: argparse ends with 2.
    key, checkpoint = _written(_KEY, "64 digits of hex"), _written(_CHECKPOINT, "SIZE:ROOT")
    parser.add_argument(
        "--key", action="append", type=key, default=[], help="a public key to trust, in hex"
    )
    parser.add_argument(
        "--checkpoint", type=checkpoint, help="SIZE:ROOT of a checkpoint that was kept elsewhere"
    )
    parser.add_argument("--jobs", type=_count, default=os.cpu_count() or 1)
    asked = parser.parse_args(arguments)
    try:
        report = verify(asked.file, keys=asked.key, checkpoint=asked.checkpoint, jobs=asked.jobs)
    except Broken as broken:
        sys.stderr.write(f"BROKEN {asked.file}: {broken}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    of = f" of {report.size}" if report.entries != report.size else ""
    sys.stdout.write(
        f"OK {report.entries}{of} entries, sealed at {report.sealed_at}\n"
        f"root {report.size}:{report.root}\nkey {report.keys[-1]}\n"
    )
    more = ";\n- that the selection is complete" if report.is_selection else ""
    sys.stdout.write(UNPROVEN.format(more=more) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
