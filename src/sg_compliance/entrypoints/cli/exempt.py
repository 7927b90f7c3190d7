"""`exempt`: exemptions that are granted outside the policy document."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from sg_compliance.bootstrap import Where
from sg_compliance.entrypoints.cli import options, upkeep

ADD_EXAMPLES: Final = """Examples:

sg-compliance exempt add --rule PROHIBIT_ALL_TRAFFIC_RDP --group sg-0123456789abcdef0 --reason "vendor visit" --approved-by security_team --expires 14d

sg-compliance exempt add --rule PROHIBIT_ALL_TRAFFIC_RDP --account 111122223333 --reason "incident 7" --approved-by security_team --emergency"""  # noqa: E501 - one command, one line
LIST_EXAMPLES: Final = """Examples:

sg-compliance exempt list

sg-compliance exempt list --all --json"""
REMOVE_EXAMPLES: Final = """Examples:

sg-compliance exempt remove exemption/sg-0123456789abcdef0

sg-compliance exempt remove --account 111122223333"""

app = upkeep.commands("Grant exemptions, list them, and take them away.")

Group = Annotated[str, typer.Option("--group", metavar="SG", help="Of this group (sg-…).")]
Account = Annotated[str, typer.Option("--account", metavar="ID", help="Of every group of this account.")]


@app.command(epilog=ADD_EXAMPLES)
def add(
    rules: Annotated[
        list[str], typer.Option("--rule", metavar="RULE_ID", help="Exempt from this rule. Can be repeated.")
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
    approved_by: Annotated[str, typer.Option(metavar="NAME", help="Who agreed to it.")],
    group: Group = "",
    account: Account = "",
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="Until when: a time (RFC 3339), or how long from now (30d).")
    ] = "",
    permanent: Annotated[bool, typer.Option("--permanent", help="For good.")] = False,
    emergency: Annotated[
        bool, typer.Option("--emergency", help="In haste, for --hours, to be looked at again.")
    ] = False,
    hours: Annotated[
        int | None, typer.Option(metavar="N", help="With --emergency: for so long; 24 if not given, 168 at most.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="In place of one that is there.")] = False,
    policy: options.Policy = None,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    kms_key: options.KmsKey = "",
    topic: options.Topic = "",
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """Exempt a group or an account from rules: findings are still reported, and count as exempt.

    In an environment whose policy names required_approvals only those count that one of them approved.
    """
    from sg_compliance import bootstrap
    from sg_compliance.bootstrap.upkeep import granting
    from sg_compliance.enforcement.grants import Asked, exemption
    from sg_compliance.entrypoints.cli.terminal import talk_lines, write
    from sg_compliance.policy.approvals import unaccepted
    from sg_compliance.policy.resolve import Policy
    from sg_compliance.reports.concessions import done_lines, unaccepted_lines

    asked = Asked(
        rules=tuple(rules),
        group_id=group,
        account_id=account,
        reason=reason,
        approved_by=approved_by,
        expires=expires,
        permanent=permanent,
        emergency=emergency,
        hours=hours,
    )
    parsed = bootstrap.load_policy(policy)
    exemption(asked, parsed, bootstrap.now(), "")
    place = options.state(state, table, kms_key=kms_key, topic=topic)
    with granting(place, Where(profile=profile, endpoint_url=endpoint_url)) as work:
        done = work.grant(exemption(asked, parsed, work.clock.now(), work.run.by), replace=replace)
    write(done_lines("granted", *done))
    approver = done.concession.approved_by
    talk_lines(unaccepted_lines(unaccepted(Policy(parsed.document), approver, account), approver))


@app.command("list", epilog=LIST_EXAMPLES)
def list_(
    all_: Annotated[bool, typer.Option("--all", help="Those that have lapsed too.")] = False,
    json_: options.AsJson = False,
    policy: options.Policy = None,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """List exemptions, those of the policy document and those that were granted outside it, with the days left."""
    from sg_compliance import bootstrap
    from sg_compliance.bootstrap.upkeep import existing
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.concessions import grant_lines, grant_record
    from sg_compliance.workflows.concessions import exemptions

    place, now = options.state(state, table), bootstrap.now()
    document = bootstrap.load_policy(policy).document
    with existing(place, Where(profile=profile, endpoint_url=endpoint_url)) as stores:
        found = exemptions(stores, document, None if all_ else now)
    if json_:
        upkeep.write_json([grant_record(grant, now) for grant in found])
    else:
        write(grant_lines(found, now, "there is no exemption"))
    if stores is None:
        upkeep.write_nothing_kept(place, as_json=json_)


@app.command(epilog=REMOVE_EXAMPLES)
def remove(
    exemption_id: Annotated[
        str, typer.Argument(metavar="[ID]", help="Id of the exemption, as exempt list shows it.", show_default=False)
    ] = "",
    group: Group = "",
    account: Account = "",
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    kms_key: options.KmsKey = "",
    topic: options.Topic = "",
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
) -> None:
    """Take an exemption away before its time. Those of the policy document are taken out of the document."""
    from sg_compliance.bootstrap.upkeep import granting
    from sg_compliance.enforcement.grants import exemption_id_of
    from sg_compliance.entrypoints.cli.terminal import write
    from sg_compliance.reports.concessions import done_lines
    from sg_compliance.workflows.concessions import not_granted

    wanted = exemption_id_of(exemption_id, group, account)
    place = options.state(state, table, kms_key=kms_key, topic=topic)
    if not place.exists():
        raise not_granted(wanted)
    with granting(place, Where(profile=profile, endpoint_url=endpoint_url)) as work:
        done = work.withdraw(wanted)
    write(done_lines("withdrawn", *done))
