"""Look for texts in every row of every table, and in Valkey, however they are packed."""

import base64
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.db import connection

DEPTH_MAX = 3
_PACKED = re.compile(rb"[A-Za-z0-9+/_=-]{24,}")
_READERS: dict[bytes, Callable[[Any, bytes], list[Any]]] = {
    b"string": lambda store, key: [store.get(key)],
    b"hash": lambda store, key: list(store.hgetall(key).items()),
    b"list": lambda store, key: list(store.lrange(key, 0, -1)),
    b"set": lambda store, key: list(store.smembers(key)),
    b"zset": lambda store, key: list(store.zrange(key, 0, -1)),
    b"stream": lambda store, key: list(store.xrange(key)),
}
_STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)


def found_in_database(texts: Iterable[str]) -> set[str]:
    """Return the columns, as `table.column`, of which some row shows one of `texts`."""
    wanted = [text.encode().lower() for text in texts]
    return {
        f"{table}.{column}"
        for table in _tables()
        for column, value in _values(table)
        if _shows(value, wanted)
    }


def found_in_valkey(texts: Iterable[str]) -> set[str]:
    """Return the keys whose name or value shows one of `texts`."""
    wanted = [text.encode().lower() for text in texts]
    store = redis.Redis.from_url(settings.REDIS_URL)
    return {
        key.decode(errors="replace")
        for key in store.scan_iter()
        if _shows(key, wanted) or any(_shows(each, wanted) for each in _parts(store, key))
    }


def found_in_files(folder: Path, texts: Iterable[str]) -> set[str]:
    """Return the names of the files below a folder that show one of `texts`."""
    wanted = [text.encode().lower() for text in texts]
    files = (each for each in folder.rglob("*") if each.is_file())
    return {str(each.relative_to(folder)) for each in files if _shows(each.read_bytes(), wanted)}


def _tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name)"
            "  FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            "   AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        return [name for (name,) in cursor.fetchall()]


def _values(table: str) -> Iterator[tuple[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        columns = [column.name for column in cursor.description or ()]
        for row in cursor:
            yield from zip(columns, row, strict=True)


def _parts(store: Any, key: bytes) -> list[Any]:
    read = _READERS.get(store.type(key))
    return [] if read is None else read(store, key)


def _shows(value: Any, wanted: list[bytes]) -> bool:
    if value is None or isinstance(value, bool | int | float):
        return False
    packed = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
    return any(
        text in layer or _as_hex(text) in layer
        for layer in (each.lower() for each in _layers(packed, DEPTH_MAX))
        for text in wanted
    )


def _as_hex(text: bytes) -> bytes:
    return text.hex().encode()


def _layers(packed: bytes, depth: int) -> Iterator[bytes]:
    """Yield what is there, and what is packed in it: deflated, in base64, in a PDF."""
    yield packed
    if depth == 0:
        return
    for inner in _unpacked(packed):
        yield from _layers(inner, depth - 1)


def _unpacked(packed: bytes) -> Iterator[bytes]:
    for window in (zlib.MAX_WBITS, zlib.MAX_WBITS | 16, -zlib.MAX_WBITS):
        try:
            yield zlib.decompress(packed, window)
        except zlib.error:
            continue
    for found in _STREAM.findall(packed):
        yield _from_ascii85(found)
    for word in _PACKED.findall(packed):
        try:
            yield base64.urlsafe_b64decode(word.replace(b"+", b"-").replace(b"/", b"_") + b"==")
        except ValueError:
            continue


def _from_ascii85(text: bytes) -> bytes:
    try:
        return base64.a85decode(text.strip().removesuffix(b"~>"))
    except ValueError:
        return text
