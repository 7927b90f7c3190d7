"""The format as security teams hold it: every key is read, every other key is refused, wherever it stands."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from sg_compliance.errors import PolicyError
from sg_compliance.policy.document import Document
from sg_compliance.policy.parse import ParsedPolicy, parse_policy
from sg_compliance.policy.reading import json_path
from sg_compliance.policy.resolve import Policy
from sg_compliance.policy.schema import schema_text

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
Path_ = tuple[str | int, ...]

EVERY_KEY: Json = json.loads(
    (Path(__file__).parents[1] / "data" / "policies" / "every_key.json").read_text(encoding="utf-8")
)
FREE = {"metadata", "x_networks", "notification_settings", "monitoring_settings"}
SCHEMA = Draft202012Validator(json.loads(schema_text()))


def parsed(written: object, source: str = "p.json") -> ParsedPolicy:
    return parse_policy(json.dumps(written), source)


def read(written: object) -> Document:
    return parsed(written).document


def models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - a type expression
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        hints = get_type_hints(annotation)
        for name in (*annotation.model_fields, "__pydantic_extra__"):
            yield from models(hints.get(name))
    for argument in get_args(annotation):
        yield from models(argument)


def places(value: object, path: Path_ = ()) -> Iterator[Path_]:
    """The path of every key that the format gives a meaning to."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            free = key in FREE and path[:1] != ("compliance_policies",)
            yield from () if free else places(inner, (*path, key))


def named_by_the_user(path: Path_) -> bool:
    """Keys that are names: of a network, an environment, a group; and those that belong to the user when misspelt."""
    named = path[-2:-1] in {
        *(("environment_specific",), ("security_group_exemptions",), ("account_specific_overrides",)),
        ("x_automation",),
    }
    return str(path[-1]).startswith("x_") or (named and not str(path[-1]).startswith("account_"))


PLACES = list(places(EVERY_KEY))
KNOWN = {name for model in models(Document) for name in model.model_fields}


def changed(path: Path_, key: str | None, value: object = None) -> Json:
    """The document with one key renamed, or one value replaced."""
    made = copy.deepcopy(EVERY_KEY)
    holder: Any = made
    for part in path[:-1]:
        holder = holder[part]
    if key is None:
        holder[path[-1]] = value
    else:
        holder[key] = holder.pop(path[-1])
    return made


def test_a_document_with_every_key_loads_and_binds() -> None:
    document = read(EVERY_KEY)
    assert document.version == "7"
    assert len(list(Policy(document).rules())) == 15
    assert list(SCHEMA.iter_errors(EVERY_KEY)) == []


def test_the_document_above_leaves_no_key_of_the_format_out() -> None:
    written = {path[-1] for path in PLACES}
    assert written >= KNOWN


@pytest.mark.parametrize("model", sorted(set(models(Document)), key=str))
def test_every_object_of_the_format_may_carry_a_description(model: type[BaseModel]) -> None:
    assert "description" in model.model_fields


@pytest.mark.parametrize("path", [path for path in PLACES if not named_by_the_user(path)], ids=json_path)
def test_a_misspelt_key_is_refused_wherever_it_stands(path: Path_) -> None:
    key = str(path[-1])
    misspelt = changed(path, key + "z")
    with pytest.raises(PolicyError) as caught:
        parsed(misspelt)
    at_place = [each for each in caught.value.problems if each.path == json_path((*path[:-1], key + "z"))]
    assert at_place
    assert not SCHEMA.is_valid(misspelt)
    if key in KNOWN and key != "description":
        assert at_place[0].suggestion == key


@pytest.mark.parametrize("path", PLACES, ids=json_path)
def test_a_value_of_the_wrong_kind_is_refused_with_its_path(path: Path_) -> None:
    written: Any = EVERY_KEY
    for part in path:
        written = written[part]
    kinds: tuple[object, ...] = ({"y": 1}, [[]], True, 1.5)
    for wrong in kinds:
        if isinstance(wrong, type(written)) and (path[-1] in FREE or wrong is True):
            continue
        if isinstance(wrong, float) and (path[-2:-1] == ("deductions",) or path[-1] == "total_possible_points"):
            continue
        with pytest.raises(PolicyError) as caught:
            parsed(changed(path, None, wrong))
        assert any(each.path.startswith(json_path(path)) for each in caught.value.problems)


FRAGMENTS: list[Json] = [
    {
        "prohibited_rules": {
            "inbound": [
                {
                    "rule_id": "PROHIBIT_ALL_TRAFFIC_SSH",
                    "description": "Prohibit SSH access from anywhere",
                    "protocol": "tcp",
                    "port_range": "22",
                    "source": "0.0.0.0/0",
                    "severity": "critical",
                    "reason": "SSH access should be restricted to specific IP ranges",
                }
            ]
        }
    },
    {
        "environment_specific": {
            "production": {
                "additional_restrictions": [
                    {
                        "rule_id": "PROD_NO_EPHEMERAL_PORTS",
                        "description": "Prohibit ephemeral port ranges in production",
                        "protocol": "tcp",
                        "prohibited_port_ranges": ["32768-65535"],
                        "severity": "medium",
                    }
                ]
            }
        }
    },
    {
        "real_time_scanning": {
            "enabled": True,
            "detection_rules": {
                "new_security_group_created": {
                    "immediate_scan": True,
                    "scan_within_seconds": 30,
                    "auto_remediate_critical": False,
                },
                "risky_rule_added": {
                    "immediate_scan": True,
                    "scan_within_seconds": 15,
                    "auto_remediate_critical": True,
                },
            },
        }
    },
    {
        "compliance_policies": {
            "prohibited_rules": {
                "inbound": [
                    {
                        "rule_id": "CUSTOM_RULE_DATABASE_PORTS",
                        "description": "Prohibit database ports from internet",
                        "protocol": "tcp",
                        "port_ranges": ["3306", "5432", "1433"],
                        "source": "0.0.0.0/0",
                        "severity": "critical",
                        "reason": "Database ports should not be accessible from internet",
                    }
                ]
            }
        }
    },
    {
        "account_specific_overrides": {
            "account_123456789012": {
                "description": "Production account with stricter rules",
                "inherit_global_rules": True,
                "additional_prohibited_rules": [
                    {
                        "rule_id": "PROD_NO_DEV_PORTS",
                        "description": "Prohibit development ports in production",
                        "protocol": "tcp",
                        "port_ranges": ["8000-8999"],
                        "source": "0.0.0.0/0",
                        "severity": "high",
                    }
                ],
            }
        }
    },
]
EXEMPTION: Json = {
    "exemptions": {
        "security_group_exemptions": {
            "sg-12345678": {
                "reason": "Legacy system requiring special access",
                "exempted_rules": ["PROHIBIT_ALL_TRAFFIC_SSH"],
                "expiry_date": "2026-01-01T00:00:00Z",
                "approved_by": "security_team",
            }
        }
    }
}


@pytest.mark.parametrize("fragment", [*FRAGMENTS, FRAGMENTS[0] | EXEMPTION])
def test_the_fragments_that_people_copy_load_unchanged(fragment: Json) -> None:
    document = read(fragment)
    assert SCHEMA.is_valid(fragment)
    assert len(list(Policy(document).rules())) == (0 if "real_time_scanning" in fragment else 1)


def test_an_expired_exemption_loads() -> None:
    entry = read(FRAGMENTS[0] | EXEMPTION).exemptions.security_group_exemptions["sg-12345678"]
    assert entry.expires is not None
    assert entry.expires.isoformat() == "2026-01-01T00:00:00+00:00"


def test_a_section_means_the_same_at_the_top_and_inside() -> None:
    inside = EVERY_KEY["compliance_policies"]
    others = {key: value for key, value in EVERY_KEY.items() if key != "compliance_policies"}
    at_top = {**others, **{key: value for key, value in inside.items() if key != "description"}}
    mine, theirs = read(at_top), read(EVERY_KEY)
    assert mine.policies().model_copy(update={"description": "inside"}) == theirs.policies()
    paths = [rule.path for rule in Policy(mine).rules()]
    assert paths == [rule.path.removeprefix("compliance_policies.") for rule in Policy(theirs).rules()]


def test_sections_may_be_shared_out_between_the_two_places() -> None:
    written = {**FRAGMENTS[1], **FRAGMENTS[3]}
    assert [rule.path for rule in Policy(read(written)).rules()] == [
        "compliance_policies.prohibited_rules.inbound[0]",
        "environment_specific.production.additional_restrictions[0]",
    ]


def test_keys_of_the_user_are_left_alone_everywhere() -> None:
    rule = {"rule_id": "R", "x_ticket": {"rule_idd": 1}, "source": "any"}
    written = {
        "x_owner": {"prohibited_rulse": []},
        "prohibited_rules": {"x_why": 1, "inbound": [rule]},
        "environment_specific": {"x_old": {"additional_restrictions": [rule]}},
        "account_specific_overrides": {"x_old": {"additional_prohibited_rules": [rule]}},
        "exemptions": {"security_group_exemptions": {"x_old": "none"}, "account_exemptions": {"x_old": 0}},
    }
    assert [found.rule_id for found in Policy(read(written)).rules()] == ["R"]
    assert SCHEMA.is_valid(written)


def test_a_network_may_have_a_name_that_starts_like_a_key_of_the_user() -> None:
    rule = {"rule_id": "R", "source": "x_lab"}
    written = {"x_networks": {"x_lab": ["10.9.0.0/16"]}, "prohibited_rules": {"inbound": [rule]}}
    (found,) = Policy(read(written)).rules()
    assert found.sources is not None
    assert [str(block) for block in found.sources.blocks] == ["10.9.0.0/16"]


def test_the_name_of_the_schema_may_stand_in_the_document_for_editors() -> None:
    written = {"$schema": "policy.schema.json", **FRAGMENTS[0]}
    assert read(written) == read(FRAGMENTS[0])
    assert SCHEMA.is_valid(written)
    with pytest.raises(PolicyError):
        read({"prohibited_rules": {"$schema": "x"}})


def test_the_hash_is_of_the_text_and_the_version_of_the_document() -> None:
    text = '{"version": "3"}'
    found = parse_policy(text, "p.json")
    assert (found.version, found.source) == ("3", "p.json")
    assert found.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_the_schema_is_one_and_is_the_same_each_time() -> None:
    Draft202012Validator.check_schema(json.loads(schema_text()))
    assert schema_text() == schema_text()
    assert json.loads(schema_text())["$id"] == "policy.schema.json"


@pytest.mark.parametrize("section", Document.section_names())
def test_the_schema_too_refuses_a_section_in_both_places(section: str) -> None:
    assert SCHEMA.is_valid({section: {}, "compliance_policies": {}})
    assert not SCHEMA.is_valid({section: {}, "compliance_policies": {section: {}}})


# YAML


@pytest.mark.parametrize("source", ["p.yaml", "p.yml", "P.YAML"])
def test_yaml_with_the_same_keys_is_the_same_document(source: str) -> None:
    assert parse_policy(yaml.safe_dump(EVERY_KEY), source).document == read(EVERY_KEY)


def test_a_time_in_yaml_needs_no_quotes() -> None:
    text = yaml.safe_dump(FRAGMENTS[0] | EXEMPTION).replace("'2026-01-01T00:00:00Z'", "2026-01-01T00:00:00Z")
    assert "'2026" not in text
    assert parse_policy(text, "p.yaml").document == read(FRAGMENTS[0] | EXEMPTION)


def test_anchors_and_merges_save_typing_in_yaml() -> None:
    text = """
    prohibited_rules:
      inbound:
        - &ssh {rule_id: A, protocol: tcp, port_range: 22, source: 0.0.0.0/0, severity: high}
        - {<<: *ssh, rule_id: B, source: '::/0'}
    """
    found = list(Policy(parse_policy(text, "p.yaml").document).rules())
    assert [(rule.rule_id, rule.severity.value) for rule in found] == [("A", "high"), ("B", "high")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: a\nversion: b", "'version' stands twice"),
        ("a: &a {version: x}\nb: {<<: *a, k: 1, k: 2}", "'k' stands twice"),
        ("exemptions: {account_exemptions: {123456789012: {}}}", "123456789012: put it in quotes"),
        ("? [a]\n: b", "not text"),
        ("? {a: b}\n: b", "not text"),
        ("a: &a [*a]", "recursive"),
        ("a: &a {b: *a}", "recursive"),
        ("metadata: !!set {a}", "a value that JSON has"),
        ("metadata: !!binary aGk=", "a value that JSON has"),
        ("metadata: !!python/name:os.system", "could not determine a constructor"),
        ("metadata: .inf", "a finite number"),
        ("a: [", "well-formed"),
        ("- a", "an object"),
    ],
)
def test_yaml_is_read_as_strictly_as_json(text: str, said: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, "p.yaml")
    assert said in str(caught.value)


def test_yaml_that_grows_out_of_all_bounds_is_refused() -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    with pytest.raises(PolicyError, match="at most 1000000 values"):
        parse_policy(text, "p.yaml")


# Whatever comes: a document or a PolicyError.

KEYS = [*sorted({str(path[-1]) for path in PLACES}), "x_", "$schema"]
WORDS = [
    *(*KEYS, "any", "0.0.0.0/0", "::/0", "internet", "sg-1", "pl-1", "22", "0-65535", "-1", "tcp", "icmp"),
    *("permanent", "((", "a{9999999999}", "2027-01-31T00:00:00Z", "111122223333"),
]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS)
names = st.sampled_from(KEYS) | st.text(max_size=4)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(anything)
def test_any_json_value_is_a_policy_or_a_policy_error(value: object) -> None:
    held(json.dumps(value), "p.json")


@given(st.sampled_from(PLACES), anything)
def test_any_value_at_any_place_is_a_policy_or_a_policy_error(path: Path_, value: object) -> None:
    held(json.dumps(changed(path, None, value)), "p.json")


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_any_text_is_a_policy_or_a_policy_error(text: str) -> None:
    held(text, "p.json")
    held(text, "p.yaml")


@given(anything)
def test_any_yaml_is_a_policy_or_a_policy_error(value: object) -> None:
    held(yaml.safe_dump(value), "p.yaml")


def held(text: str, source: str) -> None:
    """A policy that loads can also be bound, and the schema has nothing against it."""
    try:
        document = parse_policy(text, source).document
    except PolicyError:
        return
    list(Policy(document).rules())
    assert source != "p.json" or list(SCHEMA.iter_errors(json.loads(text))) == []
