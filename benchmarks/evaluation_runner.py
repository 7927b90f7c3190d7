"""Judge an estate with our tool in this process, and print what it cost.

The groups are made page by page (1,000), so that memory shows what judging keeps, not what the estate weighs. Timed:
the judge of `ours.py` on each page. Not timed: imports, parsing the policy, making the groups.

Usage: python -m benchmarks.evaluation_runner --groups N [--open-share X]
"""

import argparse
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence

from benchmarks import ours
from benchmarks.groups import OPEN_SHARE, groups
from benchmarks.thirty_questions import QUESTIONS, as_policy_document

PAGE_SIZE = 1_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON object with the figures, in the shape that the runners of the other tools print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation_runner", description=__doc__)
    parser.add_argument("--groups", type=int, default=PAGE_SIZE)
    parser.add_argument("--open-share", type=float, default=OPEN_SHARE)
    options = parser.parse_args(arguments)
    cpu, hits = judged(options.groups, options.open_share)
    unit = 1 if sys.platform == "darwin" else 1024
    figures = {
        "tool": "sg-compliance",
        "version": ours.version(),
        "groups": options.groups,
        "questions": len(QUESTIONS),
        "hits": sum(hits.values()),
        "hits_by_question": {question.rule_id: hits[question.rule_id] for question in QUESTIONS},
        "cpu_seconds": cpu,
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def judged(count: int, open_share: float) -> tuple[float, Counter[str]]:
    """Return the CPU seconds that judging took and how many groups each rule flags."""
    judge = ours.judge(as_policy_document())
    cpu, hits = 0.0, Counter[str]()
    for start in range(0, count, PAGE_SIZE):
        page = list(groups(min(PAGE_SIZE, count - start), start=start, open_share=open_share))
        started = time.process_time()
        found = judge(page)
        cpu += time.process_time() - started
        hits.update(found)
    return cpu, hits


if __name__ == "__main__":
    main()
