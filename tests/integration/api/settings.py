"""For a process of a test that works on the database of the test."""

import os

from config.settings.test import *  # noqa: F403
from config.settings.test import DATABASES

ROOT_URLCONF = "tests.integration.api.sample"
DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE_NAME"]
