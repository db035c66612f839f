"""Settings of the real processes that fault tests start: leases as short as they say."""

import os

from config.settings.test import *  # noqa: F403

WORK_LEASE_S = float(os.environ.get("LAB_LEASE_S", "15"))
WORK_PATIENCE_S = 0.5
WORK_TICK_S = 0.1
