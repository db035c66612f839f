"""The floor: what a hand-written loop around psycopg does with the same rows."""

import os
from uuid import uuid4

import orjson
import psycopg

from bench.journal import DATA

DDL = """
CREATE TABLE IF NOT EXISTS floor (
  id bigserial, stream uuid NOT NULL, version bigint NOT NULL, type text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(), payload jsonb NOT NULL, PRIMARY KEY (stream, version)
);
CREATE UNIQUE INDEX IF NOT EXISTS floor_id ON floor (id);
"""
PAYLOAD = orjson.dumps(DATA).decode()

_ONE = "INSERT INTO floor (stream, version, type, payload) VALUES (%s, %s, 'step', %s)"
_MANY = (
    "INSERT INTO floor (stream, version, type, payload) "
    "SELECT %s, %s + o, 'step', p FROM unnest(%s::jsonb[]) WITH ORDINALITY u (p, o)"
)


def connect() -> psycopg.Connection:
    """Return a connection as the floor uses it, its table there."""
    connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=1)
    with connection.transaction():
        # IF NOT EXISTS is no protection against another who makes it at the same time.
        connection.execute("SELECT pg_advisory_xact_lock(9, 0)")
        connection.execute(DDL)
    return connection


class Floor:
    """One connection, autocommit, prepared: a thousand streams in turn."""

    def __init__(self) -> None:
        self.connection = connect()
        self._streams = [uuid4() for _ in range(1000)]
        self._versions = [0] * 1000
        self._turn = 0

    def append(self, count: int) -> None:
        self._turn = (self._turn + 1) % 1000
        stream, version = self._streams[self._turn], self._versions[self._turn]
        self._versions[self._turn] += count
        if count == 1:
            self.connection.execute(_ONE, (stream, version + 1, PAYLOAD))
        else:
            self.connection.execute(_MANY, (stream, version, [PAYLOAD] * count))
