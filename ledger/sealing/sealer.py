"""The loop that seals pending entries: beside the sweeper, or as a process of its own.

It is no Celery task: where more flows are started than workers keep up with, a message that
says to seal would always come too late.
"""

import logging
import threading

from django.db import DatabaseError, connection

from events.domain.errors import DomainError
from ledger import conf
from ledger.sealing import witnesses
from ledger.services import seals

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0


def run_forever(stop: threading.Event) -> None:
    """Seal until `stop` is set, whatever happens to PostgreSQL and to the witnesses."""
    while not stop.is_set():
        try:
            seals.seal_entries()
            witnesses.copy_checkpoints()
        except DatabaseError:
            logger.exception("PostgreSQL does not answer; sealing again soon.")
            connection.close()
        except DomainError as refusal:
            logger.warning("Nothing is sealed: %s %s", refusal, refusal.hint)
        except Exception:
            # An edge: one entry or one witness must not end what seals all others.
            logger.exception("A pass of the sealer failed.")
        stop.wait(PAUSE_SECONDS)
    connection.close()


def started(stop: threading.Event) -> threading.Thread | None:
    """Seal in a thread of this process until `stop` is set; None where there is no key."""
    if not conf.signing_key():
        return None
    thread = threading.Thread(target=run_forever, args=[stop], name="sealer", daemon=True)
    thread.start()
    return thread
