"""Rules that never fire, say what another says, or contradict each other.

Not flagged: what could only be decided by looking into prefix lists or regular expressions, and a rule that finds
part of what a less severe rule finds, for it raises the severity.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple

from sg_compliance.model import globally_routable
from sg_compliance.model.addresses import BITS, INTERNET
from sg_compliance.policy.bound import BoundRule, Kind, SourceType
from sg_compliance.policy.comparison import finds_all_of, opening_of, sets_off, traffic_within, triggers
from sg_compliance.policy.consistency import override_account
from sg_compliance.policy.lint_codes import remark
from sg_compliance.policy.notation import Sources, environment_name
from sg_compliance.policy.resolve import Found, bind, every_rule
from sg_compliance.policy.rule import AllowedRule, ProhibitedRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sg_compliance.policy.document import Document
    from sg_compliance.policy.lint_codes import Lint

_USUAL: Final = ("production", "staging", "development")


class Placed(NamedTuple):
    """An enabled rule, with its place in the document."""

    found: Found
    bound: BoundRule


class Placing(NamedTuple):
    """The enabled rules, and the accounts that inherit none of the document's."""

    rules: Sequence[Placed]
    alone: frozenset[str]

    def binds_wherever(self, other: Placed, one: Placed) -> bool:
        """Whether every group that `one` binds is bound by `other`."""
        mine, theirs = one.found.environments(), other.found.environments()
        if theirs is not None and (mine is None or not mine <= theirs):
            return False
        account = other.found.account
        return account == one.found.account or (account is None and one.found.account not in self.alone)

    def can_meet(self, one: Placed, other: Placed) -> bool:
        """Whether some group can be bound by both."""
        mine, theirs = one.found.environments(), other.found.environments()
        if mine is not None and theirs is not None and not mine & theirs:
            return False
        accounts = {one.found.account, other.found.account}
        return len(accounts) == 1 or (None in accounts and not accounts & self.alone)

    def of_kind(self, kind: Kind) -> list[Placed]:
        """The rules of one kind."""
        return [placed for placed in self.rules if placed.bound.kind is kind]


def placing_of(document: Document) -> Placing:
    """The document's enabled rules, bound."""
    overrides = document.account_specific_overrides.by_key().items()
    alone = {override_account(key) for key, override in overrides if not override.inherit_global_rules}
    found = [each for each in every_rule(document) if each.rule.enabled]
    return Placing([Placed(each, bind(each, document.x_networks)) for each in found], frozenset(filter(None, alone)))


def rule_lints(document: Document) -> Iterator[Lint]:
    """Every remark on rules, in the order of the rules."""
    placing = placing_of(document)
    if len(placing.of_kind(Kind.ALLOWED)) == len(placing.rules):
        yield remark("no-rules", "", "no group can violate this policy", "add a prohibited or a restricted rule")
    for found in every_rule(document):
        if not found.rule.enabled:
            yield remark(
                "rule-disabled", found.path, f"{found.rule.rule_id} is switched off", "delete it, or enable it"
            )
    for placed in placing.rules:
        yield from _alone(placed, document)
        if placed.found.environments() != frozenset():
            yield from _beside_others(placed, placing)


def _alone(placed: Placed, document: Document) -> Iterator[Lint]:
    yield from _environments(placed, document)
    yield from _peers(placed)
    rule, path = placed.found.rule, placed.found.path
    if not isinstance(rule, AllowedRule) and not (rule.reason or rule.description):
        yield remark("rule-unexplained", path, f"{rule.rule_id} does not say why", 'add a "reason"')


def _environments(placed: Placed, document: Document) -> Iterator[Lint]:
    rule, path = placed.found.rule, f"{placed.found.path}.environments"
    if placed.found.environments() == frozenset():
        message = f"{rule.rule_id} is for {', '.join(rule.environments)} and stands under {placed.found.environment}"
        yield remark("never-binds", path, message, "move the rule, or correct its environments")
        return
    known = known_environments(document)
    for written in rule.environments:
        name = environment_name(written)
        if name in known or name in _USUAL:
            continue
        near = get_close_matches(name, [*sorted(known), *_USUAL], n=1)
        message = f"no section and no account knows the environment {written!r} of {rule.rule_id}"
        if near:
            yield remark("unknown-environment", path, message, f"did you mean {near[0]!r}?")
        else:
            yield remark("environment-undescribed", path, message, "it is found only on groups that are tagged so")


def known_environments(document: Document) -> set[str]:
    """The environments that the document has a section or an account for."""
    overrides = document.account_specific_overrides.by_key().values()
    sections = [document.policies().environment_specific, *(each.environment_specific for each in overrides)]
    of_accounts = [config.environment for config in document.accounts_config if config.environment]
    return {environment_name(name) for name in (*of_accounts, *(key for each in sections for key in each.by_name()))}


def _peers(placed: Placed) -> Iterator[Lint]:
    bound, path = placed.bound, placed.found.path
    if bound.kind is Kind.RESTRICTED:
        yield from _restricted_peers(bound, path)
        return
    if not _can_match(bound):
        message = f"{bound.rule_id} can match no peer: nothing that it names is of source_type {bound.source_type}"
        if bound.source_type is SourceType.ANY:
            message = f"{bound.rule_id} can match no peer: the networks that it names are empty"
        yield remark("never-matches", path, message, "correct source_type, or the sources")
    if bound.max_public_addresses is not None:
        yield from _budget(bound, placed.found)


def _restricted_peers(bound: BoundRule, path: str) -> Iterator[Lint]:
    inside = bound.sources or Sources()
    if inside.addresses.covers(INTERNET):
        message = f"{bound.rule_id} allows the whole internet"
        yield remark("restriction-allows-all", path, message, "name the networks that need the traffic")
    elif inside == Sources() and bound.pattern is None:
        message = f"{bound.rule_id} allows nobody"
        yield remark("restriction-allows-nobody", path, message, "name who may, or make it a prohibited rule")


def _can_match(bound: BoundRule) -> bool:
    sources = bound.sources
    if sources is None:
        return bound.max_public_addresses is None or bound.source_type is not SourceType.SECURITY_GROUP
    addresses = bool(sources.blocks) or sources.internet or bound.max_public_addresses is not None
    groups = bool(sources.groups) or bound.pattern is not None
    prefix_lists = bool(sources.prefix_lists)
    return {
        SourceType.ANY: addresses or groups or prefix_lists,
        SourceType.CIDR: addresses or prefix_lists,
        SourceType.SECURITY_GROUP: groups,
        SourceType.PREFIX_LIST: addresses or prefix_lists,
    }[bound.source_type]


def _budget(bound: BoundRule, found: Found) -> Iterator[Lint]:
    versions = {block.version for block in bound.sources.blocks} if bound.sources else set()
    most = max(globally_routable.TOTAL[version] for version in versions or {4, 6})
    if bound.max_public_addresses is not None and bound.max_public_addresses >= most:
        message = f"{bound.rule_id} never fires: there are only {most:,} public addresses"
        yield remark("budget-never-exceeded", f"{found.path}.max_public_addresses", message, "lower the number")
    rule = found.rule
    if isinstance(rule, ProhibitedRule) and rule.source_match:
        message = f"source_match of {bound.rule_id} counts for nothing beside max_public_addresses"
        yield remark("source-ignored", f"{found.path}.source_match", message, "leave it out")
    sources = bound.sources or Sources()
    narrow = [block for block in sources.blocks if block.last - block.first + 1 != 1 << BITS[block.version]]
    if narrow or sources.groups or sources.prefix_lists or bound.pattern:
        message = f"{bound.rule_id} counts every public address: of its source only the IP version counts"
        yield remark("source-ignored", found.path, message, 'write "0.0.0.0/0", "::/0" or "any"')


def _beside_others(placed: Placed, placing: Placing) -> Iterator[Lint]:
    bound = placed.bound
    if bound.kind is Kind.ALLOWED:
        yield from _prohibited(placed, placing, "allowance-prohibited", placing.binds_wherever, traffic_within)
    if bound.kind is Kind.RESTRICTED:
        yield from _prohibited(placed, placing, "restriction-prohibited", placing.can_meet, None)
    twin = next((other for other in _before(placed, placing) if _same(placed, other, placing)), None)
    if twin:
        message = f"{bound.rule_id} says what {twin.bound.rule_id} says"
        yield remark("duplicate-rule", placed.found.path, message, "delete one of them")
    elif bound.kind is not Kind.ALLOWED:
        yield from _shadowed(placed, placing)
        yield from _taken_out(placed, placing)


def _prohibited(
    placed: Placed,
    placing: Placing,
    code: str,
    meet: Callable[[Placed, Placed], bool],
    within: Callable[[BoundRule, BoundRule], bool] | None,
) -> Iterator[Lint]:
    bound = placed.bound
    for other in placing.of_kind(Kind.PROHIBITED):
        together = meet(other, placed) and sets_off(opening_of(bound), other.bound)
        if together and (within is None or within(bound, other.bound)):
            message = f"{bound.rule_id} allows what {other.bound.rule_id} prohibits, and prohibition wins"
            yield remark(code, placed.found.path, message, "name narrower sources in one of them, or delete one")


def _before(placed: Placed, placing: Placing) -> Iterator[Placed]:
    for other in placing.rules:
        if other is placed:
            return
        yield other


def _same(one: Placed, other: Placed, placing: Placing) -> bool:
    """Whether two rules say the same of the same groups, whatever they are called."""
    bound = placing.binds_wherever(one, other) and placing.binds_wherever(other, one)
    return bound and _meaning(one.bound) == _meaning(other.bound)


def _meaning(bound: BoundRule) -> tuple[object, ...]:
    peers: object = frozenset(triggers(bound)) if bound.kind is Kind.PROHIBITED else bound.sources
    pattern = bound.pattern.pattern if bound.pattern else None
    traffic = (bound.kind, bound.direction, bound.protocols, bound.ports, bound.port_match)
    return (*traffic, peers, pattern, bound.source_type, bound.after_allowances)


def _shadowed(placed: Placed, placing: Placing) -> Iterator[Lint]:
    earlier = {id(other) for other in _before(placed, placing)}
    for other in placing.rules:
        if other is placed or not _tells_all(other, placed, placing):
            continue
        if _tells_all(placed, other, placing) and id(other) not in earlier:
            continue  # each tells all of the other: only the later one is too much
        message = f"{placed.bound.rule_id} finds nothing that {other.bound.rule_id} does not find"
        yield remark("shadowed-rule", placed.found.path, message, "delete it, or give it a higher severity")
        return


def _tells_all(other: Placed, one: Placed, placing: Placing) -> bool:
    if other.bound.kind is Kind.ALLOWED or one.bound.kind is Kind.ALLOWED:
        return False
    return (
        other.bound.severity.rank >= one.bound.severity.rank
        and set(one.bound.references) <= set(other.bound.references)
        and placing.binds_wherever(other, one)
        and finds_all_of(other.bound, one.bound)
    )


def _taken_out(placed: Placed, placing: Placing) -> Iterator[Lint]:
    """A rule that looks after the allowances have been taken out, and one of them takes all of its traffic."""
    bound = placed.bound
    for allowance in placing.of_kind(Kind.ALLOWED) if bound.after_allowances else ():
        theirs = allowance.bound
        everyone = theirs.sources is None and theirs.source_type in (SourceType.ANY, bound.source_type)
        same_traffic = theirs.direction is bound.direction and traffic_within(bound, theirs)
        if everyone and same_traffic and placing.binds_wherever(allowance, placed):
            message = f"{bound.rule_id} never fires: {theirs.rule_id} allows all of its traffic to everyone"
            yield remark("restriction-allowed", placed.found.path, message, "name sources in the allowance")
