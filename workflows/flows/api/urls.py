"""The URLs of steps, plans and flows, under /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from workflows.flows.api.flows import FlowViewSet, StepInFlowViewSet
from workflows.flows.api.starts import FlowStartViewSet
from workflows.flows.api.steps import Plans, StepViewSet

_STEP = "flows/<str:flow_id>/steps/<str:step_id>"

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("steps", StepViewSet, basename="step")
router.register("flows", FlowViewSet, basename="flow")
router.register("flow-starts", FlowStartViewSet, basename="flow-start")

urlpatterns = [
    *router.urls,
    path("plans", Plans.as_view(), name="plans"),
    path(_STEP, StepInFlowViewSet.as_view({"get": "retrieve"}), name="flow-step"),
    path(f"{_STEP}/skip", StepInFlowViewSet.as_view({"post": "skip"}), name="flow-step-skip"),
    path(f"{_STEP}/force", StepInFlowViewSet.as_view({"post": "force"}), name="flow-step-force"),
    path(f"{_STEP}/retry", StepInFlowViewSet.as_view({"post": "retry"}), name="flow-step-retry"),
]
