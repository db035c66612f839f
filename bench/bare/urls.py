"""The API of a tutorial."""

from typing import Any

from rest_framework import serializers, viewsets
from rest_framework.routers import SimpleRouter

from bench.bare.models import Product


class ProductSerializer(serializers.ModelSerializer[Product]):
    class Meta:
        model = Product
        fields = "__all__"


class ProductViewSet(viewsets.ModelViewSet[Product]):
    queryset = Product.objects.order_by("pk")
    serializer_class: Any = ProductSerializer


router = SimpleRouter()
router.register("products", ProductViewSet)
urlpatterns = router.urls
