"""Checks which steps can be run, and records changes of their health.

An HTTP step with a `health_check` address is asked; a script is compiled. Anything else
stays unknown, which does not keep it from running. That one run of a script failed says
nothing about the script, and the health of a flow step is derived whenever
somebody asks: neither is recorded here.
"""

from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from events.tables import migration_status
from workflows.egress import client
from workflows.egress.client import Call
from workflows.egress.refusals import AnswerTooLarge, EgressFailed, EgressRefused
from workflows.flows import conf, services
from workflows.flows.domain.cluster import Health, HealthStatus
from workflows.flows.domain.step import Step
from workflows.flows.domain.validation import ScriptBroken
from workflows.flows.execution import engine
from workflows.flows.languages import compile_script
from workflows.work import services as work
from workflows.work.models import Schedule

CHECK_HEALTH = "flow.check_health"
TIMEOUT_S = 3.0
_AT_ONCE = 8
_BODY_BYTES_MAX = 1 << 10

HEALTHY = Health(status=HealthStatus.HEALTHY)


def check_all() -> int:
    """Check every step that can be checked, and return how many changed."""
    steps = engine.catalog().steps
    checked = [step for step in steps.values() if _can_be_checked(step)]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        found = dict(zip((step.id for step in checked), pool.map(check, checked), strict=True))
    known, node = engine.cluster(), conf.current().node
    # Nobody would ever find a step well that is not registered any more, and the flows under
    # way that have it would wait for that for ever.
    found |= {step_id: Health() for step_id in known.unhealthy_on(node) if step_id not in steps}
    changed = {id_: health for id_, health in found.items() if known.on(node, id_) != health}
    for step_id, health in changed.items():
        services.report_health(step_id=step_id, health=health)
    return len(changed)


def check(step: Step) -> Health:
    """Return the health of a step as it is now. Uses no database."""
    if step.script is not None:
        return _compiled(step)
    assert step.http is not None, "only scripts and HTTP steps are checked"
    return _asked(step.http.health_check)


def install_defaults(*, plan: object = None, **_signal: object) -> None:
    """Declare how often steps are checked. An operator who switched it off is obeyed.

    Listens to post_migrate. A flush sends the same signal without a plan, and wants no rows.
    """
    every = conf.current().health_interval_s
    if plan is None or not every or not migration_status.is_complete():
        return
    known = Schedule.objects.filter(name=CHECK_HEALTH).first()
    if known is None or known.every_s != every:
        work.schedule(CHECK_HEALTH, every=every, enabled=known is None or known.enabled)


def _can_be_checked(step: Step) -> bool:
    return step.script is not None or bool(step.http and step.http.health_check)


def _compiled(step: Step) -> Health:
    assert step.script is not None, "only scripts are compiled"
    try:
        compile_script(step.script, tuple(step.parameters()))
    except ScriptBroken as broken:
        return Health(status=HealthStatus.UNHEALTHY, error=str(broken))
    return HEALTHY


def _asked(url: str) -> Health:
    call = Call(
        method="GET",
        url=url,
        deadline_seconds=TIMEOUT_S,
        body_bytes_max=_BODY_BYTES_MAX,
        truncate=True,
        redirects_max=client.REDIRECTS_MAX,
    )
    try:
        status = client.send(call).status
    except (EgressRefused, EgressFailed, AnswerTooLarge) as error:
        return Health(status=HealthStatus.UNHEALTHY, error=str(error))
    if status < HTTPStatus.BAD_REQUEST:
        return HEALTHY
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    return Health(status=HealthStatus.UNHEALTHY, error=f"HTTP {status} {phrase}".rstrip())
