"""Reports of scans in S3: `<prefix>reports/NAME.jsonl.gz`, written once."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, Final

from sg_compliance.aws.s3 import IAM_ACTIONS as IN_S3
from sg_compliance.aws.s3 import Bucket
from sg_compliance.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sg_compliance.aws.s3 import BucketPlace
    from sg_compliance.aws.session import Sessions

IAM_ACTIONS: Final = IN_S3


class S3Reports:
    """The ReportStore socket. Packed as it comes: a line of findings is a twentieth then. Calls: put 1."""

    def __init__(self, sessions: Sessions, place: BucketPlace) -> None:
        self._bucket = Bucket(sessions, place)

    def put(self, name: str, lines: Iterable[str]) -> str:
        """Keep the lines. Raises StoreError."""
        key = f"reports/{name}.jsonl.gz"
        packed = io.BytesIO()
        with gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=0) as file:
            for line in lines:
                file.write(line.encode(errors="backslashreplace"))
        if not self._bucket.put_new(key, packed.getvalue()):
            raise StoreError(f"{self._bucket.name(key)}: there is one already", hint="run the scan again")
        return self._bucket.name(key)
