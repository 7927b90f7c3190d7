"""`explain`: one group, for a person."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from sg_compliance.entrypoints.cli import options

EXAMPLES: Final = """Examples:

sg-compliance explain sg-0123456789abcdef0 --from groups.json

sg-compliance explain payments-db --accounts 111122223333 --regions eu-west-1"""


def explain(
    group: Annotated[str, typer.Argument(metavar="GROUP", help="Id (sg-…) or name of the group.")],
    sources: options.From = None,
    policy: options.Policy = None,
    environment: options.Environment = None,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    accounts: options.Accounts = None,
    organization: options.Organization = False,
    units: options.Units = None,
    excluded: options.Excluded = None,
    regions: options.Regions = None,
    role_name: options.RoleName = options.ROLE_NAME,
    external_id: options.ExternalId = None,
    session_name: options.SessionName = options.SESSION_NAME,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
) -> None:
    """Say what a group opens to whom, what violates the policy, the smallest change, and why the rest is fine."""
    import json

    from sg_compliance import bootstrap
    from sg_compliance.entrypoints.cli.exit import COULD_NOT
    from sg_compliance.entrypoints.cli.planning import read_policy
    from sg_compliance.entrypoints.cli.terminal import talk, write, write_text
    from sg_compliance.reports.explanation import explanation_lines, explanation_record
    from sg_compliance.reports.text import skipped_lines
    from sg_compliance.workflows.explain import explain_group

    place = options.where(
        sources=sources,
        profile=profile,
        endpoint_url=endpoint_url,
        accounts=accounts,
        organization=organization,
        units=units,
        excluded=excluded,
        regions=regions,
        role_name=role_name,
        external_id=external_id,
        session_name=session_name,
    )
    judge = read_policy(place, options.state(state, table), policy, environment)
    with bootstrap.inventory(place, judge.parsed) as inventory:
        found = explain_group(inventory, judge.evaluator, group)
    if json_:
        write_text(
            [json.dumps([explanation_record(each, judge.parsed) for each in found.explanations], indent=2), "\n"]
        )
    else:
        for explanation in found.explanations:
            write(explanation_lines(explanation))
    for skipped in found.skipped:
        for line in skipped_lines(skipped):
            talk().print(line)
    raise typer.Exit(COULD_NOT if any(skipped.wanted for skipped in found.skipped) else 0)
