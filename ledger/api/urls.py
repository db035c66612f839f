"""The addresses of the ledger, under /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from ledger.api.views.agents import AgentViewSet
from ledger.api.views.api_keys import ApiKeyViewSet
from ledger.api.views.approval_policies import ApprovalPolicyViewSet
from ledger.api.views.approvals import ApprovalViewSet
from ledger.api.views.delegations import DelegationViewSet
from ledger.api.views.reversals import ReversalPreviewView, ReversalsView

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("api-keys", ApiKeyViewSet, basename="api-key")
router.register("ledger/agents", AgentViewSet, basename="agent")
router.register("ledger/approvals", ApprovalViewSet, basename="approval")
router.register("ledger/policies", ApprovalPolicyViewSet, basename="approval-policy")
router.register("ledger/delegations", DelegationViewSet, basename="delegation")

urlpatterns = [
    path("ledger/entries/<uuid:entry_id>/reversal", ReversalPreviewView.as_view()),
    path("ledger/entries/<uuid:entry_id>/reversals", ReversalsView.as_view()),
    *router.urls,
]
