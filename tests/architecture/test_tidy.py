"""House rules that no off-the-shelf linter knows. Cheap, exact, and with a reason each."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.source import (
    APPS,
    ROOT,
    Function,
    calls_of,
    complaints,
    domain_files,
    files_of_tests,
    functions,
    layers,
    name_of,
    product_files,
    service_files,
    tree_of,
)

LINES_PER_FILE_MAX = 400
LINES_PER_FUNCTION_MAX = 50
# Slow to load, and needed by few processes: loaded inside of the function that needs it.
LOADED_LATE = {"celpy", "commerce.pdf"}
# Handed out by itself to people who have nothing else of ours.
ONE_FILE_ON_PURPOSE = {"ledger/verifier.py"}

# `enqueue(name, input, …)`: its signatures are the published ones of a job runner.
JOB_RUNNER = "workflows/work/services.py"
# Whoever lays the layers out anew, or wires Django together, stands outside of them.
WITHOUT_A_LAYER = {"apps", "migrations"}
# The composition root and the console have one layer each, with all that is in them.
WITH_ONE_LAYER = {"config", "console"}


def test_files_and_functions_fit_a_reader() -> None:
    assert complaints(_too_long, product_files() + files_of_tests()) == []


def _too_long(path: Path) -> Iterator[str]:
    lines = len(path.read_text().splitlines())
    if lines > LINES_PER_FILE_MAX and name_of(path) not in ONE_FILE_ON_PURPOSE:
        yield f"has {lines} lines"
    for function in functions(path):
        assert function.end_lineno is not None
        length = function.end_lineno - function.lineno + 1
        if length > LINES_PER_FUNCTION_MAX:
            yield f"{function.name} has {length} lines"


def test_what_few_processes_need_is_not_loaded_by_all() -> None:
    of_expressions = ROOT / "ledger" / "expressions"  # Loaded late as a whole.
    paths = [path for path in product_files() if of_expressions not in path.parents]
    assert complaints(_loads_at_once, paths) == []


def _loads_at_once(path: Path) -> Iterator[str]:
    for node in tree_of(path).body:
        match node:
            case ast.Import(names=names):
                loaded = {each.name for each in names}
            case ast.ImportFrom(module=str(module), names=names):
                loaded = {module, *(f"{module}.{each.name}" for each in names)}
            case _:
                continue
        for late in LOADED_LATE:
            if any(f"{name}.".startswith(f"{late}.") for name in loaded):
                yield f"loads {late}"


def test_the_domain_never_asks_for_the_time_or_an_id() -> None:
    assert complaints(_asks_for_the_time_or_an_id, domain_files()) == []


def _asks_for_the_time_or_an_id(path: Path) -> set[str]:
    # import-linter keeps `time`, `random` and `secrets` out; these hide inside allowed modules.
    asked = {node.attr for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)}
    return asked & {"now", "today", "utcnow", "uuid1", "uuid4"}


def test_public_services_take_keywords_only_and_say_what_they_do() -> None:
    assert complaints(_unlike_a_service, service_files()) == []


def _unlike_a_service(path: Path) -> Iterator[str]:
    public = [
        node
        for node in tree_of(path).body
        if isinstance(node, Function) and not node.name.startswith("_")
    ]

    for function in public:
        if not ast.get_docstring(function):
            yield f"{function.name} has no docstring"
        is_ours = name_of(path) != JOB_RUNNER and _opens_a_transaction(function)
        if is_ours and function.args.args:
            yield f"{function.name} takes positional arguments"


def _opens_a_transaction(function: Function) -> bool:
    # What does not is shared by services; it works within theirs.
    contexts = {
        ast.unparse(item.context_expr)
        for node in ast.walk(function)
        if isinstance(node, ast.With)
        for item in node.items
    }
    return bool(
        contexts & {"idempotency.transaction()", "transaction.atomic(durable=True)"}
    ) or any(each.startswith("recording.recorded(") for each in contexts)


def test_only_recording_makes_a_proof() -> None:
    allowed = {"ledger/recording.py", "ledger/domain/action.py"}
    others = [path for path in product_files() if name_of(path) not in allowed]

    assert complaints(_makes_a_proof, others) == []


def _makes_a_proof(path: Path) -> set[str]:
    made = {ast.unparse(call.func) for call in calls_of(path, "Proof", "of")}
    return {each for each in made if each.split(".")[-2:] in (["Proof"], ["Proof", "of"])}


@pytest.mark.parametrize("app", sorted(APPS.keys() - WITH_ONE_LAYER))
def test_every_module_has_a_place_in_the_layers(app: str) -> None:
    assert _without_a_place(APPS[app], app) <= WITHOUT_A_LAYER


def _without_a_place(folder: Path, package: str) -> set[str]:
    """Return the modules without a layer: a room has one, or each module in it has one."""
    found = set()
    for path in folder.iterdir():
        name = f"{package}.{path.stem}"
        is_room = (path / "__init__.py").exists()
        if path.name.startswith("_") or not (path.suffix == ".py" or is_room):
            continue
        is_laid_out = is_room and any(each.startswith(f"{name}.") for each in layers())
        if is_laid_out:
            found |= _without_a_place(path, name)
        elif name not in layers():
            found.add(path.stem)
    return found


def test_every_module_in_the_layers_that_must_exist_does() -> None:
    for module in layers():
        app = max((name for name in APPS if module.startswith(name)), key=len)
        assert module == app or module.startswith(f"{app}."), f"{module} belongs to no app"


def test_callbacks_after_commit_are_robust_defs() -> None:
    assert complaints(_fragile_callbacks, product_files()) == []


def _fragile_callbacks(path: Path) -> Iterator[str]:
    # A raising callback skips the later ones; a partial defeats robust=True on Django 5.2.
    for call in calls_of(path, "on_commit"):
        if not call.args:
            continue
        callback = ast.unparse(call.args[0])
        if "partial(" in callback:
            yield f"line {call.lineno} passes a partial to on_commit"
        if callback.startswith("lambda"):
            yield f"line {call.lineno} passes a lambda: it has no name"
        robust = [ast.unparse(each.value) for each in call.keywords if each.arg == "robust"]
        if robust != ["True"]:
            yield f"line {call.lineno} is not robust"


def test_nothing_is_left_to_do_without_an_issue() -> None:
    assert complaints(_left_to_do, product_files()) == []


def _left_to_do(path: Path) -> list[str]:
    return re.findall(r"\b(TODO|FIXME|XXX|HACK)\b(?! \(#\d+\))", path.read_text())


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = [path.name.split("-")[0] for path in (ROOT / "docs/adr").glob("*.md")]

    assert sorted(set(numbers)) == sorted(numbers)


def test_every_test_can_fail() -> None:
    assert complaints(_tests_without_an_assertion, files_of_tests()) == []


def _tests_without_an_assertion(path: Path) -> Iterator[str]:
    for function in functions(path):
        if function.name.startswith("test_") and not _expects(function):
            yield f"{function.name} asserts nothing"


def _expects(function: Function) -> bool:
    if _asserts(function):
        return True
    named = {ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
    return any(_is_expectation(name.rsplit(".", 1)[-1]) for name in named)


def _asserts(function: Function) -> bool:
    return any(isinstance(node, ast.Assert) for node in ast.walk(function))


def _is_expectation(name: str) -> bool:
    return name in {
        "raises",
        "warns",
        "fail",
        "verify",
        "call_command",
    } | _helpers_that_assert() or (name.startswith(("assert", "django_assert")))


@cache
def _helpers_that_assert() -> set[str]:
    return {
        function.name
        for path in files_of_tests()
        for function in functions(path)
        if not function.name.startswith("test_") and _asserts(function)
    }
