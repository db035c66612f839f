"""The URLs of the ledger, under /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from ledger.api.views.agents import AgentViewSet
from ledger.api.views.api_keys import ApiKeyViewSet
from ledger.api.views.approval_policies import ApprovalPolicyViewSet
from ledger.api.views.approvals import ApprovalViewSet
from ledger.api.views.delegations import DelegationViewSet
from ledger.api.views.entries import EntryViewSet, Export, Tail, Timeline
from ledger.api.views.erasures import ErasureViewSet, LegalHoldViewSet
from ledger.api.views.health import Health
from ledger.api.views.payloads import PayloadContent, PayloadRedaction
from ledger.api.views.reversals import ReversalPreviewView, ReversalsView
from ledger.api.views.seals import SealViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("api-keys", ApiKeyViewSet, basename="api-key")
router.register("ledger/agents", AgentViewSet, basename="agent")
router.register("ledger/approvals", ApprovalViewSet, basename="approval")
router.register("ledger/erasures", ErasureViewSet, basename="erasure")
router.register("ledger/legal-holds", LegalHoldViewSet, basename="legal-hold")
router.register("ledger/policies", ApprovalPolicyViewSet, basename="approval-policy")
router.register("ledger/delegations", DelegationViewSet, basename="delegation")
router.register("ledger/entries", EntryViewSet, basename="entry")
router.register("ledger/seals", SealViewSet, basename="seal")

urlpatterns = [
    path("ledger/entries/<uuid:entry_id>/reversal", ReversalPreviewView.as_view()),
    path("ledger/entries/<uuid:entry_id>/reversals", ReversalsView.as_view()),
    *router.urls,
    path("ledger/timeline", Timeline.as_view(), name="ledger-timeline"),
    path("ledger/tail", Tail.as_view(), name="ledger-tail"),
    path("ledger/export", Export.as_view(), name="ledger-export"),
    path("ledger/health", Health.as_view(), name="ledger-health"),
    path("ledger/payloads/<uuid:payload_id>", PayloadContent.as_view(), name="ledger-payload"),
    path("ledger/payloads/<uuid:payload_id>/redact", PayloadRedaction.as_view()),
]
