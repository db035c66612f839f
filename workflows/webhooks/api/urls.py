"""The URLs of webhooks, under /api/v1/."""

from rest_framework.routers import SimpleRouter

from workflows.webhooks.api.views import DeliveryViewSet, SubscriptionViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("webhooks/subscriptions", SubscriptionViewSet, basename="webhook-subscription")
router.register("webhooks/deliveries", DeliveryViewSet, basename="webhook-delivery")

urlpatterns = router.urls
