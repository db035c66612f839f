"""The addresses of the ledger, under /api/v1/."""

from rest_framework.routers import SimpleRouter

from ledger.api.views.agents import AgentViewSet
from ledger.api.views.api_keys import ApiKeyViewSet
from ledger.api.views.delegations import DelegationViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("api-keys", ApiKeyViewSet, basename="api-key")
router.register("ledger/agents", AgentViewSet, basename="agent")
router.register("ledger/delegations", DelegationViewSet, basename="delegation")

urlpatterns = router.urls
