"""Where and why a value violates a JSON Schema."""

from events.domain.schema import faults


def test_faults_are_named_by_json_pointers_in_order() -> None:
    schema = {
        "type": "object",
        "properties": {"a/b": {"type": "integer"}, "n": {"items": {"minimum": 1}}},
    }

    found = faults(schema, {"n": [1, 0], "a/b": "x"}, at="/input")

    assert [pointer for pointer, _ in found] == ["/input/a~1b", "/input/n/1"]


def test_formats_are_checked_where_that_is_asked_for() -> None:
    schema = {"type": "string", "format": "uuid"}

    assert faults(schema, "no uuid") == []
    assert len(faults(schema, "no uuid", checks_formats=True)) == 1
