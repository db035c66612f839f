"""The addresses of the ledger, under /api/v1/."""

from rest_framework.routers import SimpleRouter

from ledger.api.views.api_keys import ApiKeyViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("api-keys", ApiKeyViewSet, basename="api-key")

urlpatterns = router.urls
