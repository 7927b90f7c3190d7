"""`respond`: the work of the deployed function, from a laptop or a container."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sg_compliance.entrypoints.cli import options, planning_options

if TYPE_CHECKING:
    from sg_compliance.bootstrap.enforcement import State
    from sg_compliance.bootstrap.responding import FromQueue
    from sg_compliance.workflows.case import Terms
    from sg_compliance.workflows.receiving import Taken

EXAMPLES: Final = """Examples:

sg-compliance respond --queue https://sqs.eu-west-1.amazonaws.com/111122223333/sg-events --once

sg-compliance respond --queue https://sqs.eu-west-1.amazonaws.com/111122223333/sg-events --policy policy.json --apply

Exit status: 0 it ended as asked, and every message was handled; 2 could not, or some message has to come again."""


def respond(
    queue: Annotated[
        str, typer.Option("--queue", metavar="URL", callback=options.queue, help="SQS queue that the events come to.")
    ],
    apply: Annotated[
        bool, typer.Option("--apply", help="Change groups, as far as the policy lets events go. Else nothing is.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Until the queue is empty, not for ever.")] = False,
    max_messages: Annotated[
        int | None, typer.Option("--max-messages", min=1, help="So many messages, then no more.")
    ] = None,
    recheck_queue: Annotated[
        str,
        typer.Option(
            "--recheck-queue",
            metavar="URL",
            callback=options.queue,
            help="SQS queue for second looks; it may be the same one. Else they wait here, and are lost at the end.",
        ),
    ] = "",
    dead_letters: Annotated[
        str,
        typer.Option(
            "--dead-letters",
            metavar="PLACE",
            callback=options.letters,
            help="File or SQS queue for messages that can never be handled. Else dead-letters.jsonl beside the state.",
        ),
    ] = "",
    metrics: Annotated[
        Path | None,
        typer.Option("--metrics", metavar="FILE", callback=options.figures, help="Add figures to this file."),
    ] = None,
    policy: options.Policy = None,
    environment: options.Environment = None,
    severity: planning_options.Severity = options.SeverityName.CRITICAL,
    max_groups: Annotated[
        int, typer.Option("--max-groups", min=1, help="Most groups that may be remediated in an hour.")
    ] = planning_options.MAX_GROUPS,
    contacts: Annotated[
        list[str] | None,
        typer.Option("--contact", metavar="TEXT", help="Whom to ask, for messages. Can be repeated."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="As JSON Lines, a line a message.")] = False,
    accounts: options.Accounts = None,
    role_name: options.RoleName = options.ROLE_NAME,
    change_role_name: options.ChangeRoleName = options.CHANGE_ROLE_NAME,
    external_id: options.ExternalId = None,
    session_name: options.SessionName = options.SESSION_NAME,
    profile: options.Profile = None,
    endpoint_url: options.EndpointUrl = None,
    state: options.StatePlace = None,
    table: options.Table = options.TABLE,
    kms_key: options.KmsKey = "",
    pause_parameter: options.PauseParameter = options.PAUSE_PARAMETER,
    topic: options.Topic = "",
    quiet: options.Quiet = False,
) -> None:
    """Take events from a queue, and judge and counter what they tell of, as the deployed function does.

    A message that was handled is deleted, in a dry run too; one that failed comes again. The policy and the exemptions
    granted beside it are read anew for every batch. Events of accounts other than --accounts are rejected; without it,
    of accounts other than your own and those in the policy's accounts_config. Ctrl-C or SIGTERM lets the message in
    hand be finished, then stops.
    """
    from contextlib import closing

    from sg_compliance.bootstrap.responding import PolicyFile, Queue, from_queue
    from sg_compliance.entrypoints.cli.stopping import Stopping
    from sg_compliance.entrypoints.cli.terminal import warn_of_unknown_environment
    from sg_compliance.errors import InputError
    from sg_compliance.model.finding import Severity
    from sg_compliance.workflows.case import Terms

    place = options.where(
        sources=None,
        profile=profile,
        endpoint_url=endpoint_url,
        accounts=accounts,
        organization=False,
        units=None,
        excluded=None,
        regions=None,
        role_name=role_name,
        external_id=external_id,
        session_name=session_name,
        change_role_name=change_role_name,
    )
    kept = options.state(state, table, kms_key, pause_parameter, topic)
    if kept.is_remote and not topic:
        message = "findings are remembered as told, and nobody says whom to tell"
        raise InputError(message, hint="name the SNS topic where people are told: --topic ARN")
    terms = Terms(
        dry_run=not apply,
        acting=apply,
        severity=Severity(severity.value),
        most_groups_per_hour=max_groups,
        contacts=tuple(contacts or ()),
    )
    asked = Queue(queue, recheck_queue, dead_letters, metrics, drained=once)
    stopping, failed = Stopping("message"), False
    with (
        options.hints_completed(options.again(place, kept)),
        from_queue(
            asked,
            place,
            kept,
            terms=terms,
            policy=PolicyFile(policy),
            environment=environment,
            warn=_warn,
            stop=stopping,
        ) as work,
        stopping,
    ):
        warn_of_unknown_environment(work.policy.document, environment)
        if not quiet:
            _announce(terms, work, kept, named=bool(place.accounts))
        with closing(work.receiving.taken(once=once, most=max_messages)) as messages:
            for taken in messages:
                failed = failed or taken.error is not None
                _write(taken, as_json=json_, awaited=not (once and work.looks))
        if work.looks and work.looks.waiting():
            _tell_of_looks(work.looks.waiting())
    raise typer.Exit(2 if failed else 0)


def _announce(terms: Terms, work: FromQueue, state: State, *, named: bool) -> None:
    """Say beforehand how far it goes."""
    from sg_compliance.entrypoints.cli.terminal import talk_lines
    from sg_compliance.reports.responses import beginning_lines

    talk_lines(
        beginning_lines(
            applying=not terms.dry_run,
            accounts=work.accounts,
            severity=terms.severity,
            most_groups=terms.most_groups_per_hour,
            state=state.place(),
            by=work.by,
            named=named,
        )
    )


def _warn(problem: str) -> None:
    """What is wrong with the policy that was changed: the last good one goes on being used."""
    from rich.text import Text

    from sg_compliance.entrypoints.cli.terminal import talk
    from sg_compliance.model.visible import visible

    lines = "\n  ".join(visible(line) for line in problem.split("\n  "))
    said = f"{lines}\n  the last good policy goes on being used"
    talk().print(Text.assemble(("warning: ", "bold yellow"), said))


def _write(taken: Taken, *, as_json: bool, awaited: bool) -> None:
    import json

    from sg_compliance.entrypoints.cli.terminal import write, write_text
    from sg_compliance.reports.responses import Message, message_lines, message_record

    latency = taken.ended - taken.sent
    message = Message(taken.message_id, taken.ended, latency, taken.handled, taken.error, awaited)
    if as_json:
        write_text([json.dumps(message_record(message)), "\n"])
    else:
        write(message_lines(message))


def _tell_of_looks(number: int) -> None:
    from sg_compliance.entrypoints.cli.terminal import count, talk

    talk().print(f"{count(number, 'second look')} not waited for: the next scan judges those groups")
