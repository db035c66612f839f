"""An agent's or a costly change over HTTP: 202, somebody else decides, then it is done once."""

from uuid import uuid4

import pytest
