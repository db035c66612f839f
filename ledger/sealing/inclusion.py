"""Inclusion proofs of an entry under a checkpoint, from only the batch that it added."""

from ledger.verifier import Tree, node_hash


class Batch:
    """The leaves that a checkpoint added to the tree before it."""

    def __init__(self, before: Tree, leaves: list[bytes]) -> None:
        self.begin, self.size = before.size, before.size + len(leaves)
        # Nodes by the range of leaves they stand for; the old tree is known by its frontier.
        self._nodes = {(self.begin + i, self.begin + i + 1): leaf for i, leaf in enumerate(leaves)}
        start = 0
        for node in before.frontier:
            width = 1 << (self.begin - start).bit_length() - 1
            self._nodes[start, start + width] = node
            start += width

    def proof(self, index: int) -> list[bytes]:
        """Return the inclusion proof of a leaf of this batch. RFC 9162, 2.1.3.1.

        `index` counts from 0 over the whole tree.
        """
        assert self.begin <= index < self.size, "the entry is in another batch"
        steps: list[bytes] = []
        start, end = 0, self.size
        while end - start > 1:
            middle = _split(start, end)
            if index < middle:
                steps.append(self._node(middle, end))
                end = middle
            else:
                steps.append(self._node(start, middle))
                start = middle
        return steps[::-1]

    def _node(self, start: int, end: int) -> bytes:
        known = self._nodes.get((start, end))
        if known is None:
            middle = _split(start, end)
            known = node_hash(self._node(start, middle), self._node(middle, end))
            self._nodes[start, end] = known
        return known


def _split(start: int, end: int) -> int:
    """Return where RFC 6962 cuts a range: after the largest power of two below its length."""
    return start + (1 << (end - start - 1).bit_length() - 1)
