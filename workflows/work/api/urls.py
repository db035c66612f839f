"""The URLs of work, under /api/v1/."""

from rest_framework.routers import SimpleRouter

from workflows.work.api.views import AttemptViewSet, JobViewSet, ScheduleViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("jobs", JobViewSet, basename="job")
router.register("jobs/<uuid:pk>/attempts", AttemptViewSet, basename="job-attempt")
router.register("job-schedules", ScheduleViewSet, basename="job-schedule")

urlpatterns = router.urls
