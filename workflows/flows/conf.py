"""The settings of this app, typed. Each comes from a DAYBOOK_* variable."""

from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from workflows.flows.domain.step import WorkConfig
from workflows.flows.domain.validation import BACKOFF_TYPES

NODE_CHARS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSettings:
    """Times in milliseconds. `node` names this installation in the health of steps."""

    retry: WorkConfig
    step_timeout_ms: int
    webhook_base_url: str
    health_interval_s: int
    start_chain_max: int
    remembered_days: float
    """How long the answer of a memoizable step is given again (`execution.memoization`)."""
    node: str


@lru_cache(maxsize=1)
def current() -> FlowSettings:
    """Return the settings in force.

    :raises ImproperlyConfigured: if a value makes no sense.
    """
    retry = WorkConfig(
        max_retries=settings.FLOWS_RETRY_MAX,
        init_backoff_ms=settings.FLOWS_RETRY_INITIAL_BACKOFF_MS,
        max_backoff_ms=settings.FLOWS_RETRY_MAX_BACKOFF_MS,
        backoff_type=settings.FLOWS_RETRY_BACKOFF_TYPE,
    )
    if not 0 < retry.init_backoff_ms <= retry.max_backoff_ms:
        raise ImproperlyConfigured(
            "DAYBOOK_RETRY_MAX_BACKOFF must be at least DAYBOOK_RETRY_INITIAL_BACKOFF, above 0."
        )
    if retry.backoff_type not in BACKOFF_TYPES - {""}:
        raise ImproperlyConfigured("DAYBOOK_RETRY_BACKOFF_TYPE: fixed, linear or exponential.")
    if settings.FLOWS_START_CHAIN_MAX < 1:
        raise ImproperlyConfigured("DAYBOOK_FLOW_START_CHAIN_MAX must be at least 1.")
    if not settings.FLOWS_REMEMBERED_DAYS > 0:
        raise ImproperlyConfigured("DAYBOOK_REMEMBERED_DAYS must be above zero.")
    if not settings.FLOWS_WEBHOOK_BASE_URL:
        raise ImproperlyConfigured("DAYBOOK_WEBHOOK_BASE_URL is empty; say http://… or https://….")
    if not (0 < len(settings.FLOWS_NODE) <= NODE_CHARS_MAX and settings.FLOWS_NODE.isprintable()):
        raise ImproperlyConfigured(
            f"DAYBOOK_NODE must be a name of 1 to {NODE_CHARS_MAX} printable characters."
        )
    return FlowSettings(
        retry=retry,
        step_timeout_ms=settings.FLOWS_STEP_TIMEOUT_MS,
        webhook_base_url=settings.FLOWS_WEBHOOK_BASE_URL.rstrip("/"),
        health_interval_s=settings.FLOWS_HEALTH_INTERVAL_S,
        remembered_days=settings.FLOWS_REMEMBERED_DAYS,
        start_chain_max=settings.FLOWS_START_CHAIN_MAX,
        node=settings.FLOWS_NODE,
    )


def _forget(*, setting: str, **_signal: object) -> None:
    if setting.startswith("FLOWS_"):
        current.cache_clear()


setting_changed.connect(_forget, dispatch_uid="flows.conf")
