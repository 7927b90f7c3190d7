"""Unit tests of a policy: a file of groups, each with the rule ids that it must, or must not, be found to violate.

    {"policy": "security_policies.json", "environment": "production", "now": "2026-01-15T00:00:00Z",
     "prefix_lists": [{"PrefixListId": "pl-1", "Entries": [{"Cidr": "203.0.113.0/24"}]}],
     "tests": [{"name": "SSH from anywhere", "expect": ["PROHIBIT_ALL_TRAFFIC_SSH"],
                "group": {"IpPermissions": [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
                                             "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]}}]}

Groups and prefix lists are written as AWS returns them; whatever does not matter is left out. A prefix list without
`Entries` is one that could not be read. `environment` is the deployment's: a group's tag and its account come first.

`expect` lists every open finding, `expect_exempt` every exempt one; without them only `not_expect` is held. The rules
of `global_rules` (`GLOBAL_…`) count only where a test names them, so that a group need not carry tags to test a port;
GLOBAL_MALFORMED_RULE always counts, for it means that the test's group is not what it seems.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, Protocol, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator

from sg_compliance.errors import InputError, PolicyProblem
from sg_compliance.model.addresses import parse_cidr
from sg_compliance.model.finding import FindingState
from sg_compliance.policy.consistency import HYGIENE_RULE_IDS
from sg_compliance.policy.parse import in_order, problems_of, without_user_keys
from sg_compliance.policy.reading import UnreadableError, read_object
from sg_compliance.policy.resolve import every_rule
from sg_compliance.policy.rule import AccountId, Instant, NonEmpty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sg_compliance.evaluation.evaluate import Evaluator
    from sg_compliance.model.finding import Finding
    from sg_compliance.model.security_group import PrefixList, PrefixLists, SecurityGroup

_ACCOUNT: Final = "000000000000"
_GROUP: Final = "sg-test"
_ALWAYS_COUNTED: Final = "GLOBAL_MALFORMED_RULE"


def _port(value: object) -> object:
    if value is None or isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    message = "expected a port as a number or a text"
    raise ValueError(message)


def _cidr(text: str) -> str:
    parse_cidr(text)
    return text


Port: TypeAlias = Annotated[Any, PlainValidator(_port)]
AwsCidr: TypeAlias = Annotated[str, AfterValidator(_cidr)]


class _Part(BaseModel):
    """A JSON object with fixed keys: a misspelt `IpPermission` would be a test that tests nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Peer(_Part):
    """One peer of a permission, as AWS writes it."""

    Description: str | None = None


class Range(Peer):
    """An IPv4 block, not checked: what AWS would refuse is a case worth testing."""

    CidrIp: str


class Ipv6Range(Peer):
    """An IPv6 block."""

    CidrIpv6: str


class PrefixListId(Peer):
    """A reference to a prefix list."""

    PrefixListId: str


class UserIdGroupPair(Peer):
    """A reference to a group."""

    GroupId: str | None = None
    GroupName: str | None = None
    UserId: str | None = None
    PeeringStatus: str | None = None
    VpcId: str | None = None
    VpcPeeringConnectionId: str | None = None


class Permission(_Part):
    """An IpPermission."""

    IpProtocol: str | int
    FromPort: Port = None
    ToPort: Port = None
    IpRanges: list[Range] | None = None
    Ipv6Ranges: list[Ipv6Range] | None = None
    PrefixListIds: list[PrefixListId] | None = None
    UserIdGroupPairs: list[UserIdGroupPair] | None = None


class Tag(_Part):
    """A tag."""

    Key: str
    Value: str | None = None


class Group(_Part):
    """An element of DescribeSecurityGroups, with as little in it as the test needs."""

    GroupId: str | None = None
    GroupName: str | None = None
    Description: str | None = None
    OwnerId: str | None = None
    VpcId: str | None = None
    SecurityGroupArn: str | None = None
    Tags: list[Tag] | None = None
    IpPermissions: list[Permission] | None = None
    IpPermissionsEgress: list[Permission] | None = None


class Entry(_Part):
    """An entry of a prefix list."""

    Cidr: AwsCidr
    Description: str | None = None


class WrittenPrefixList(_Part):
    """A prefix list; without `Entries` it could not be read."""

    PrefixListId: NonEmpty
    PrefixListName: str | None = None
    MaxEntries: int | None = None
    Entries: list[Entry] | None = None


class PolicyTest(_Part):
    """A group, and what it must be found to violate."""

    name: NonEmpty
    group: Group
    expect: list[NonEmpty] | None = None
    expect_exempt: list[NonEmpty] | None = None
    not_expect: list[NonEmpty] = []
    environment: NonEmpty | None = None
    account_id: AccountId | None = None
    description: str | None = None

    @model_validator(mode="after")
    def _expects_something(self) -> Self:
        if self.expect is None and self.expect_exempt is None and not self.not_expect:
            message = 'expected "expect" (an empty list for no finding), "expect_exempt" or "not_expect"'
            raise ValueError(message)
        return self

    def named(self) -> set[str]:
        """Every rule id that the test speaks of."""
        return {*(self.expect or ()), *(self.expect_exempt or ()), *self.not_expect}


class Expectations(_Part):
    """The whole file. `now` is the time that decides which exemptions have expired; None is the time of the run."""

    policy: NonEmpty | None = None
    environment: NonEmpty | None = None
    now: Instant | None = None
    description: str | None = None
    prefix_lists: list[WrittenPrefixList] = []
    tests: Annotated[list[PolicyTest], Field(min_length=1)]


class Translate(Protocol):
    """AWS's JSON → the model: the module `aws.translate`, which this room does not know."""

    def security_group(self, raw: Mapping[str, Any], *, account_id: str = "", region: str = "") -> SecurityGroup:
        """Read one element of `SecurityGroups`."""

    def prefix_list(self, raw: Mapping[str, Any], entries: Iterable[Mapping[str, Any]] | None) -> PrefixList:
        """Read one element of `PrefixLists` and its entries."""


class Result(NamedTuple):
    """One test: the rule ids that were wanted and not found, and those that were found and not wanted."""

    name: str
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    missing_exempt: tuple[str, ...]
    unexpected_exempt: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return not (self.missing or self.unexpected or self.missing_exempt or self.unexpected_exempt)


def parse_expectations(text: str, source: str) -> Expectations:
    """Read a file of tests in JSON, or in YAML where its name ends in .yaml or .yml. Raises InputError."""
    try:
        return Expectations.model_validate(without_user_keys(read_object(text, source)))
    except UnreadableError as error:
        raise _refused(source, error.problems) from None
    except ValidationError as error:
        raise _refused(source, problems_of(error, Expectations)) from None


def _refused(source: str, problems: Sequence[PolicyProblem]) -> InputError:
    found = in_order(problems)
    lines = "".join(f"\n  {problem}" for problem in found)
    return InputError(
        f"{source}: {len(found)} problem{'s' if len(found) != 1 else ''} in the tests{lines}",
        hint="mend the file and run it again: sg-compliance policy test FILE",
    )


def run(
    expectations: Expectations,
    evaluator_for: Callable[[str | None], Evaluator],
    translate: Translate,
    source: str = "tests",
) -> list[Result]:
    """Judge every test's group. `evaluator_for` makes the evaluator of a deployment's environment.

    Raises InputError for a rule id that the policy does not have: `not_expect` of a misspelt id would always hold.
    """
    evaluators: dict[str | None, Evaluator] = {}
    prefix_lists = {each.PrefixListId: _prefix_list(each, translate) for each in expectations.prefix_lists}
    results = []
    for index, test in enumerate(expectations.tests):
        environment = test.environment or expectations.environment
        if environment not in evaluators:
            evaluators[environment] = evaluator_for(environment)
        evaluator = evaluators[environment]
        if index == 0:
            _refuse_unknown_rules(expectations, evaluator, source)
        results.append(_result(test, _findings(test, evaluator, translate, prefix_lists)))
    return results


def _refuse_unknown_rules(expectations: Expectations, evaluator: Evaluator, source: str) -> None:
    known = [*HYGIENE_RULE_IDS, *(found.rule.rule_id for found in every_rule(evaluator.policy.document))]
    problems = list(_unknown_rules(expectations.tests, known))
    if problems:
        raise _refused(source, problems)


def _unknown_rules(tests: Sequence[PolicyTest], known: Sequence[str]) -> Iterator[PolicyProblem]:
    for index, test in enumerate(tests):
        for rule_id in sorted(test.named() - set(known)):
            nearest = next(iter(get_close_matches(rule_id, known, n=1)), "")
            yield PolicyProblem(f"tests[{index}]", "the id of a rule in the policy", repr(rule_id), nearest)


def _prefix_list(written: WrittenPrefixList, translate: Translate) -> PrefixList:
    raw = written.model_dump(exclude_unset=True)
    return translate.prefix_list(raw, raw.get("Entries"))


def _findings(
    test: PolicyTest, evaluator: Evaluator, translate: Translate, prefix_lists: PrefixLists
) -> tuple[Finding, ...]:
    raw = {"GroupId": _GROUP, **test.group.model_dump(exclude_none=True)}
    if test.account_id:
        raw["OwnerId"] = test.account_id
    return tuple(evaluator.evaluate(translate.security_group(raw, account_id=_ACCOUNT), prefix_lists))


def _result(test: PolicyTest, findings: tuple[Finding, ...]) -> Result:
    counted = [finding for finding in findings if _counts(finding.rule_id, test)]
    is_open = {finding.rule_id for finding in counted if finding.state is FindingState.OPEN}
    exempt = {finding.rule_id for finding in counted if finding.state is FindingState.EXEMPT}
    expected, expected_exempt = set(test.expect or ()), set(test.expect_exempt or ())
    exact = test.expect is not None
    unexpected = is_open - expected if exact else set()
    exempt_wanted_or_not = exempt - expected_exempt if exact or test.expect_exempt is not None else set()
    return Result(
        test.name,
        missing=tuple(sorted(expected - is_open)),
        unexpected=tuple(sorted(unexpected | (is_open & set(test.not_expect)))),
        missing_exempt=tuple(sorted(expected_exempt - exempt)),
        unexpected_exempt=tuple(sorted(exempt_wanted_or_not)),
        findings=findings,
    )


def _counts(rule_id: str, test: PolicyTest) -> bool:
    return rule_id not in HYGIENE_RULE_IDS or rule_id == _ALWAYS_COUNTED or rule_id in test.named()
