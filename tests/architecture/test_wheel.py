"""A wheel has everything that runs in a checkout."""

import runpy
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from config import bootstrap, checkout
from tests.architecture.source import ROOT


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments of `setup` in setup.py."""
    told: dict[str, Any] = {}
    tool = ModuleType("setuptools")
    vars(tool).update(find_packages=lambda include: include, setup=told.update)
    monkeypatch.setitem(sys.modules, "setuptools", tool)
    runpy.run_path(str(ROOT / "setup.py"))
    return told


def files_of(folders: Iterable[str]) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    return [path for path in found if "__pycache__" not in path.parts]


def test_every_package_of_ours_is_in_it(described: dict[str, Any]) -> None:
    assert {name.removesuffix(".*") for name in described["packages"]} == {
        *bootstrap._OURS,
        *described["package_dir"],
    }
    folders = {path.parent for path in files_of(bootstrap._OURS) if path.suffix == ".py"}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_files_that_are_no_modules_are_in_it(described: dict[str, Any]) -> None:
    others = {path for path in files_of(bootstrap._OURS) if path.suffix != ".py"}

    assert others == {
        found
        for package in bootstrap._OURS
        for pattern in described["package_data"].get(package, ())
        for found in (ROOT / package).glob(pattern)
    }


def test_pages_scripts_and_documents_are_in_it_where_they_are_looked_for(
    described: dict[str, Any],
) -> None:
    inside = {name: f"config.wheel.{name}" for name in ("docs", "static", "templates")}

    assert described["package_dir"] == {package: name for name, package in inside.items()}
    assert {described["package_data"][package][0] for package in inside.values()} == {"**/*"}
    assert ROOT / "config/wheel" == checkout._IN_WHEEL
    assert all((checkout.FILES / name).is_dir() for name in inside)
