"""What the demo shows besides a scan: a change that is taken back, and what to try next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sg_compliance.enforcement.plan import Plan
    from sg_compliance.model.outcome import RoundTrip


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


def blunt_lines(plan: Plan, gentle: Plan, problems: Sequence[str]) -> Iterator[Text]:
    """What the bluntest tool would do to all groups with critical findings, and what keeps this one from it.

    `gentle` is the plan for the same findings that takes away only what violates.
    """
    lost = sum(len(each.group.rules) for each in plan.groups if each.changes_rules)
    guilty = sum(len(each.wanted.gone or ()) for each in gentle.groups)
    yield Text()
    yield Text("Locking every group with a critical finding down", style="bold")
    yield Text(f"  would take {lost:,} rules from {plan.by_account().total()} groups; {guilty:,} of them violate.")
    for problem in problems:
        yield Text.assemble("  stopped: ", (problem, "yellow"))


def round_trip_lines(accounts: int, trip: RoundTrip) -> Iterator[Text]:
    """What was changed, and that it is as if nothing had been."""
    yield Text()
    yield Text("Closing just what violates, in the accounts that are within the budget", style="bold")
    yield Text(
        f"  {trip.groups} groups in {accounts} accounts changed: {trip.revoked} rules revoked, "
        f"{trip.authorized} added in their place. Each was backed up first."
    )
    yield Text(f"  {trip.restored} groups taken back.")
    for when, digest in (("before", trip.before), ("changed", trip.changed), ("after", trip.after)):
        yield Text(f"    {when:8} sha256 {digest}", style="dim")
    verdict = "identical: every rule, description and tag is as it was" if trip.is_exact else "NOT identical"
    yield Text.assemble("  before and after are ", (verdict, "bold green" if trip.is_exact else "bold red"))


def _step(command: str, said: str) -> Text:
    return Text.assemble("  ", (command, "cyan"), (f"\n      {said}", "dim"))
