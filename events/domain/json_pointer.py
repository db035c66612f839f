"""JSON pointers (RFC 6901): where in a document something is."""


def pointer_to(*path: object) -> str:
    """Return the pointer to a place, given by the member names and indexes that lead there."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)
