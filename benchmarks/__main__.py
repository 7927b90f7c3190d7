"""Measure everything with one command: `python -m benchmarks [--quick] [--only SECTION] [--json]`.

Sections: `evaluation` (judging groups in memory, beside Cloud Custodian's filters and Prowler's matcher), `file` (the
whole command on a file, beside reading alone), `snapshot` (the same on Parquet, beside JSON Lines), `live` (the whole
command on a loopback endpoint, beside boto3 alone, `custodian run` and `prowler aws`), `enforcement` (locking groups
down and taking it back, beside the same calls alone), `start` (`--help`, beside bare Python).

The figure is CPU time; compare the ratios, which come from one run on one machine, not the seconds. The other tools are
installed on the first run, each in its own environment (about 2.4 GB), and asked in the way its runner describes.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks import ours
from benchmarks.cases import SECTIONS
from benchmarks.competitors.environments import PINS
from benchmarks.measure import machine
from benchmarks.report import render
from benchmarks.results import Missing, Row, as_json, ratios
from benchmarks.settings import FULL, QUICK


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the sections that were asked for and print the report."""
    options = _options(arguments)
    rows: list[Row] = []
    missing: list[Missing] = []
    about = machine() | {"sg-compliance": ours.version(), **PINS}
    for section in [options.only] if options.only else SECTIONS:
        sys.stderr.write(f"{section}\n")
        for result in SECTIONS[section](QUICK if options.quick else FULL):
            if isinstance(result, Row):
                rows.append(result)
            else:
                missing.append(result)
    if options.json:
        data = {"about": about, "rows": as_json(rows), "ratios": [asdict(ratio) for ratio in ratios(rows)]}
        sys.stdout.write(json.dumps(data | {"missing": [asdict(gap) for gap in missing]}, indent=2) + "\n")
    else:
        sys.stdout.write(render(about, rows, missing))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, few runs: a look, not a result")
    parser.add_argument("--only", choices=SECTIONS, help="measure one section")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
