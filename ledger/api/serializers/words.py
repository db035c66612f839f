"""Fields with free text of people (reasons, comments), as the caller may see it."""

from typing import Any

from rest_framework import serializers

from ledger.disclosure import free_texts


class WordsOut(serializers.CharField):
    """Reasons and comments: without addresses and secrets for who may not open payloads."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, **options)

    def to_representation(self, value: Any) -> str:
        return free_texts.redacted_for(
            super().to_representation(value), self.context.get("request")
        )
