"""Runs MiniStack, until standard input closes: it cannot outlive who started it. For the emulator's own Python.

Events of AWS's services come to a bus only from AWS itself: PutEvents refuses the source `aws.ec2`, here as there. So
that CloudTrail can be played, such events are let through here, and delivered as a rule in a member account delivers
them to a central bus: under the account and region where the call was made (EventBridge user guide, sending events
between accounts). MiniStack knows no buses of other accounts.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from functools import partial
from typing import Any

from ministack import app
from ministack.services import eventbridge


def main() -> None:
    """Serve where GATEWAY_PORT and BIND_HOST say."""
    threading.Thread(target=_end_with_who_started_it, daemon=True).start()
    eventbridge._put_events = partial(eventbridge._put_events, allow_aws_source=True)  # noqa: SLF001  no other way in
    eventbridge._dispatch_event = partial(_dispatch, eventbridge._dispatch_event)  # noqa: SLF001
    sys.argv[1:] = []
    app.main()


def _end_with_who_started_it() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os._exit(0)


def _dispatch(dispatch: Any, event: dict[str, Any], view: Any = None) -> None:  # noqa: ANN401  MiniStack's own
    if str(event["Source"]).startswith("aws."):
        record = json.loads(event["Detail"])
        event = {**event, "Account": record["recipientAccountId"], "Region": record["awsRegion"]}
        view = None
    dispatch(event, view)


if __name__ == "__main__":
    main()
