"""What is asked of the ledger."""

from ledger import authority
from ledger.authority import Holder
from ledger.models import ApiKey, ApiKeyQuerySet


def api_keys_visible_to(holder: Holder) -> ApiKeyQuerySet:
    """Everybody's keys for who administers them, one's own for all others."""
    keys = ApiKey.objects.select_related("owner", "successor")
    if authority.holds(holder, "api_key.administer"):
        return keys
    return keys.filter(owner=holder.user)
