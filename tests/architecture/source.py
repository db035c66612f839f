"""The source as the tests of the architecture read it."""

import ast
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = {
    "config": ROOT / "config",
    "console": ROOT / "console",
    "commerce": ROOT / "commerce",
    "workflows.flows": ROOT / "workflows/flows",
    "workflows.webhooks": ROOT / "workflows/webhooks",
    "workflows.work": ROOT / "workflows/work",
    "workflows.witnesses": ROOT / "workflows/witnesses",
    "workflows.egress": ROOT / "workflows/egress",
    "ledger": ROOT / "ledger",
    "events": ROOT / "events",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def product_files() -> list[Path]:
    """Return every hand-written module of the product."""
    roots = {ROOT / name.split(".")[0] for name in APPS}
    paths = [path for root in roots for path in root.rglob("*.py")]
    return sorted(path for path in paths if "migrations" not in path.parts)


def files_of_tests() -> list[Path]:
    return sorted(path for path in (ROOT / "tests").rglob("*.py") if path.name != "__init__.py")


def domain_files() -> list[Path]:
    return [path for path in product_files() if "domain" in path.parts]


def service_files() -> list[Path]:
    return [
        path
        for path in product_files()
        if path.name == "services.py" or path.parent.name == "services"
    ]


@cache
def functions(path: Path) -> list[Function]:
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, Function)]


@cache
def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]


def calls_of(path: Path, *names: str) -> list[ast.Call]:
    """Return the calls whose last name is one of `names`: `emit(…)`, and `recorder.emit(…)`."""
    if not mentions(path, names):
        return []
    return [call for call in calls(path) if _last_name(call.func) in names]


def mentions(path: Path, words: Iterable[str]) -> bool:
    """Return whether it is worth while to parse a module in search of `words`."""
    text = path.read_text()
    return any(word in text for word in words)


def _last_name(called: ast.expr) -> str:
    match called:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def complaints(about: Callable[[Path], Iterable[str]], paths: Iterable[Path]) -> list[str]:
    """Return what a rule says about each of `paths`, with its name: nothing if it holds."""
    return [f"{name_of(path)}: {why}" for path in paths for why in about(path)]


def layers() -> set[str]:
    """Return every module that has a place in the layers of the import contracts."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    text = " ".join(contracts["contracts"][0]["layers"])
    for separator in "|:()":
        text = text.replace(separator, " ")
    return set(text.split())
