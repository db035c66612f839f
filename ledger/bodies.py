"""The base of every request body: what is not understood is refused, never ignored."""

from typing import Any

from rest_framework import serializers


class Body(serializers.Serializer[Any]):
    """A misspelt optional field must not quietly become its default."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                raise serializers.ValidationError(
                    {name: ["There is no such field here."] for name in unknown}, code="unknown"
                )
        return super().to_internal_value(data)
