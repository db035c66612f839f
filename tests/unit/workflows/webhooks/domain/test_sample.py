from typing import Any

import jsonschema
import pytest

from workflows.webhooks.domain.sample import sample


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"const": 7}, 7),
        ({"enum": ["a", "b"]}, "a"),
        ({"examples": ["inv_1"], "type": "string"}, "inv_1"),
        ({"type": "string"}, "example"),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": ["null", "string"]}, "example"),
        ({"type": "integer", "minimum": 4}, 4),
        ({"type": "boolean"}, False),
        ({"type": "null"}, None),
        ({"type": "array"}, []),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"properties": {"a": {"type": "string"}}}, {"a": "example"}),
        ({}, None),
    ],
)
def test_a_sample_has_the_shape_of_its_schema(schema: dict[str, Any], value: object) -> None:
    assert sample(schema) == value
    jsonschema.validate(value, schema)
