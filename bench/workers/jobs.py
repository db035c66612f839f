"""The jobs of a benchmark, for a Celery worker that is told to import them."""

from workflows.work import registry
from workflows.work.domain.claim import Claim
from workflows.work.registry import WorkKind

OLD, NEW = "bench.old", "bench.new"


def _nothing(_claim: Claim) -> None:
    return None


for name in (OLD, NEW):
    registry.register(WorkKind(name=name, handler=_nothing))
