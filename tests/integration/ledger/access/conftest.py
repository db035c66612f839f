import pytest
from django.contrib.auth.models import User


@pytest.fixture
def ada(db: None) -> User:
    """Somebody who may do everything, and so owns the agents."""
    return User.objects.create_superuser("ada", password="ada-has-a-long-password")
