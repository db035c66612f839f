"""`python -m bench <row>`: run one row of the table and print it."""

import argparse
import importlib
import os
import pkgutil
from pathlib import Path

from bench import database, harness, rows


def main() -> None:
    names = sorted(module.name for module in pkgutil.iter_modules(rows.__path__))
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("row", choices=names)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="per side and round")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    if Path(__file__).with_name(options.row).joinpath("settings.py").exists():
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"bench.{options.row}.settings")
    with database.fresh():
        row = importlib.import_module(f"bench.rows.{options.row}")
        results = harness.compare(row.sides(options), rounds=options.rounds)
    print(harness.table(results))
    if options.json:
        options.json.write_text(harness.as_json(options.row, results))


if __name__ == "__main__":
    main()
