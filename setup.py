"""What a wheel consists of beside what pyproject.toml says.

The packages, and inside `config/wheel` the files that lie beside them in a checkout: pages, scripts
and documents. `config.settings.base.FILES` finds them in either place.
"""

from setuptools import find_packages, setup

PACKAGES = ("commerce", "config", "console", "events", "examples", "ledger", "workflows")
BESIDE = ("docs", "static", "templates")

_inside = {f"config.wheel.{name}": name for name in BESIDE}

setup(
    packages=[
        *find_packages(include=[f"{name}{rest}" for name in PACKAGES for rest in ("", ".*")]),
        *_inside,
    ],
    package_dir=_inside,
    package_data={"commerce": ["fonts/*"], **{package: ["**/*"] for package in _inside}},
)
