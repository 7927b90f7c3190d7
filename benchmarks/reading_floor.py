"""What reading alone costs with the usual tools, judging nothing: the floor under a scan.

`json` loads a whole file with the standard library, `jsonl` goes through it line by line, `parquet` reads
the columns of a snapshot with pyarrow, `boto3` pages through DescribeSecurityGroups of an endpoint. Run as a process of
its own; prints the number of groups it saw.

Usage: python -m benchmarks.reading_floor json|jsonl|parquet FILE, or boto3 ENDPOINT
"""

import json
import sys
from pathlib import Path


def whole_json(file: str) -> int:
    """Load the file at once."""
    with Path(file).open(encoding="utf-8") as opened:
        return len(json.load(opened)["SecurityGroups"])


def json_lines(file: str) -> int:
    """Load a line at a time."""
    with Path(file).open(encoding="utf-8") as opened:
        return sum(1 for line in opened if json.loads(line))


def parquet(file: str) -> int:
    """Load some thousand rows at a time, with every column."""
    import pyarrow.parquet as pq  # noqa: PLC0415  the other cases do not pay for it

    return sum(batch.num_rows for batch in pq.ParquetFile(file).iter_batches(10_000))


def boto3_pages(endpoint: str) -> int:
    """Page through the endpoint with boto3's paginator."""
    import boto3  # noqa: PLC0415  the file cases do not pay for it

    pages = boto3.client("ec2", endpoint_url=endpoint).get_paginator("describe_security_groups").paginate()
    return sum(len(page["SecurityGroups"]) for page in pages)


READERS = {"json": whole_json, "jsonl": json_lines, "parquet": parquet, "boto3": boto3_pages}

if __name__ == "__main__":
    sys.stdout.write(f"{READERS[sys.argv[1]](sys.argv[2])}\n")
