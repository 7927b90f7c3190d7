"""What to try after the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator


GROUP: Final = "sftp-partners"
"""A group of the demo organisation with something to explain."""


def next_steps(program: str, snapshot: str, endpoint_url: str | None) -> Iterator[Text]:
    """Commands that work as they stand."""
    yield Text()
    yield Text(f"The organisation was written to {snapshot}.")
    yield Text("What to try next", style="bold")
    yield _step(f"{program} explain {GROUP} --from {snapshot}", "what opens it, why, and the smallest change")
    yield _step(f"{program} scan --from {snapshot} --policy strict", "the same organisation under another policy")
    yield _step(f"{program} scan --from {snapshot} --format csv", "or json, jsonl: for other tools")
    yield _step(f"{program} policy show --environment production", "the rules that bind, and where each comes from")
    if endpoint_url:
        command = (
            f"AWS_ACCESS_KEY_ID=demo AWS_SECRET_ACCESS_KEY=demo {program} scan --org --endpoint-url {endpoint_url}"
        )
        yield _step(command, "scan it as AWS, while this runs (Ctrl-C ends it)")


def _step(command: str, said: str) -> Text:
    return Text.assemble("  ", (command, "cyan"), (f"\n      {said}", "dim"))
