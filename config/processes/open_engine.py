"""The environment of `up --open-engine`: an engine as clients of Argyll expect it."""

import os


def set_environment() -> None:
    """Open `/engine`; what else its clients expect is set unless the environment says otherwise."""
    os.environ["OPEN_ENGINE"] = "true"
    # The name under which they know a lone engine.
    os.environ.setdefault("DAYBOOK_NODE", "argyll-1")
    # As many steps are called at once as their parallelism says (ADR 0185).
    os.environ.setdefault("WORK_QUEUES", "flow.invoke=flows,flow.compensate=flows")
