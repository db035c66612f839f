"""Jobs and schedules over HTTP. One call down for each action."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from events.domain.ids import least_id
from ledger.access import authority
from ledger.bodies import MomentFilter, OneOrMore, OptionalReasonIn, ReasonIn, valid
from workflows.work import selectors, services
from workflows.work.api.serializers import (
    AttemptOut,
    JobDetailOut,
    JobIn,
    JobOut,
    ScheduleIn,
    ScheduleOut,
)
from workflows.work.domain.life import State
from workflows.work.models import EveryAttempt, Schedule, Work, WorkQuerySet

_CLOCKS_DIFFER = timedelta(hours=1)


class JobFilters(filters.FilterSet):
    status = OneOrMore(choices=[(state.value, state.value) for state in State])
    name = filters.CharFilter(method="of_kind")
    subject = filters.CharFilter(method="about")
    correlation_id = filters.CharFilter(method="about")
    created_after = MomentFilter(method="since")
    created_before = MomentFilter(method="until")

    # Ids are of the time in which they were made: with them the list begins where it is asked
    # for, and does not read all that is newer. The clocks of an application and of its database
    # may differ.
    def since(self, jobs: WorkQuerySet, _name: str, moment: datetime) -> WorkQuerySet:
        """Keep the jobs that were made then or later."""
        return jobs.filter(created_at__gte=moment, id__gte=least_id(moment, later=-_CLOCKS_DIFFER))

    def until(self, jobs: WorkQuerySet, _name: str, moment: datetime) -> WorkQuerySet:
        """Keep the jobs that were made before."""
        return jobs.filter(created_at__lt=moment, id__lt=least_id(moment, later=_CLOCKS_DIFFER))

    def of_kind(self, jobs: WorkQuerySet, _name: str, value: str) -> WorkQuerySet:
        """Keep the jobs of just this name."""
        return jobs.of_kind(value)

    def about(self, jobs: WorkQuerySet, name: str, value: str) -> WorkQuerySet:
        """Keep the jobs of just this subject or story."""
        return jobs.about(**{name: value})


class JobViewSet(viewsets.ReadOnlyModelViewSet[Work]):
    """What must still happen, what happened, and what gave up."""

    capabilities = {
        "list": "job.read",
        "retrieve": "job.read",
        "create": "job.enqueue",
        "retry": "job.retry",
        "cancel": "job.cancel",
        "discard": "job.discard",
    }
    journalled = True
    queryset = Work.objects.none()
    filterset_class = JobFilters
    # Ids are UUIDv7: their order is that of creation, and the primary key has it ready.
    cursor_ordering = ("-id",)
    lookup_value_converter = "uuid"

    def get_queryset(self) -> WorkQuerySet:
        return selectors.jobs()

    def get_serializer_class(self) -> type[BaseSerializer[Work]]:
        return JobOut if self.action == "list" else JobDetailOut

    @extend_schema(request=JobIn, responses={201: JobDetailOut, 200: JobDetailOut})
    def create(self, request: Request) -> Response:
        """Enqueue a job. With an idempotency key that is known, answer with that job (200)."""
        asked = valid(JobIn, request.data)
        _demand_for(asked["name"], request)
        ref = services.enqueue(
            asked.pop("name"), asked.pop("input"), delay=asked.pop("delay_s"),
            only_public=True, **asked,
        )  # fmt: skip
        made = status.HTTP_201_CREATED if ref.is_new else status.HTTP_200_OK
        return self._answer(ref.id, status=made)

    @extend_schema(request=OptionalReasonIn, responses=JobDetailOut)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: UUID) -> Response:
        """Take a dead letter up again, with a new budget and the same token and history."""
        services.retry(pk, **valid(OptionalReasonIn, request.data))
        return self._answer(pk)

    @extend_schema(request=OptionalReasonIn, responses=JobDetailOut)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: UUID) -> Response:
        """Cancel a waiting job at once; ask a running one to stop."""
        services.cancel(pk, **valid(OptionalReasonIn, request.data))
        return self._answer(pk)

    @extend_schema(request=ReasonIn, responses=JobDetailOut)
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: UUID) -> Response:
        """Put a dead letter away for good."""
        services.discard(pk, **valid(ReasonIn, request.data))
        return self._answer(pk)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        return self._answer(UUID(reference))

    def _answer(self, pk: UUID, *, status: int = status.HTTP_200_OK) -> Response:
        job = selectors.jobs().get(pk=pk)
        headers = {"Location": f"/api/v1/jobs/{pk}"}
        return Response(JobDetailOut(job).data, status=status, headers=headers)


class AttemptViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[EveryAttempt]):
    """What was tried of one job, the last first."""

    capabilities = {"list": "job.read"}
    queryset = EveryAttempt.objects.none()
    serializer_class = AttemptOut
    cursor_ordering = ("-id",)

    def get_queryset(self) -> "QuerySet[EveryAttempt]":
        job = get_object_or_404(selectors.jobs(), pk=self.kwargs["pk"])
        return selectors.attempts_of(job.pk)


class ScheduleViewSet(viewsets.ReadOnlyModelViewSet[Schedule]):
    """When jobs are wanted again and again."""

    capabilities = {
        "list": "job.read",
        "retrieve": "job.read",
        "update": "schedule.manage",
        "enable": "schedule.manage",
        "disable": "schedule.manage",
    }
    without_body = ("enable", "disable")
    queryset = Schedule.objects.all()
    serializer_class = ScheduleOut
    cursor_ordering = ("name",)

    @extend_schema(request=ScheduleIn, responses=ScheduleOut)
    def update(self, request: Request, pk: str) -> Response:
        """Declare the schedule of that name. An unchanged rule keeps its next slot."""
        asked = valid(ScheduleIn, request.data)
        _demand_for(asked["job"], request, pointer="/job")
        made = services.schedule(asked.pop("job"), name=pk, only_public=True, **asked)
        return Response(ScheduleOut(made).data)

    @extend_schema(request=None, responses=ScheduleOut)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        """Switch a schedule on, from its next slot on."""
        return Response(ScheduleOut(services.set_schedule_enabled(pk, enabled=True)).data)

    @extend_schema(request=None, responses=ScheduleOut)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: str) -> Response:
        """Switch a schedule off."""
        return Response(ScheduleOut(services.set_schedule_enabled(pk, enabled=False)).data)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        return Response(ScheduleOut(Schedule.objects.get(pk=reference)).data)


def _demand_for(job: str, request: Request, *, pointer: str = "/name") -> None:
    if needs := services.capability_of(job, pointer=pointer):
        authority.caller_of(request).demand(needs)
