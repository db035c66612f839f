"""What the doctor says of the data, where nobody is at work who could be late."""

from events import doctor


def violations() -> dict[str, tuple[str, ...]]:
    """Return what is wrong, by the check that found it.

    On a busy machine work, and events for their positions, wait longer than a product may.
    """
    found = [doctor.examine(each, nobody_works=each.is_of_work) for each in doctor.checks()]
    return {each.id: each.violations for each in found if not each.is_healthy}
