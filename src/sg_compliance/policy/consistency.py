"""What must fit together in a document though each part alone is well formed: ids, sources, ports, directions.

Works on the raw document, so that these problems are reported together with the malformed parts, not after them.
"""

from __future__ import annotations

import re
from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple

from sg_compliance.errors import PolicyProblem
from sg_compliance.policy.notation import environment_name, parse_block, parse_ports, parse_protocol, parse_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

HYGIENE_RULE_IDS = (
    "GLOBAL_REQUIRED_TAGS",
    "GLOBAL_REQUIRE_DESCRIPTIONS",
    "GLOBAL_MAX_RULES",
    "GLOBAL_MALFORMED_RULE",
)
PORT_KEYS = ("port_ranges", "prohibited_port_ranges", "restricted_port_ranges", "allowed_port_ranges")
_ALL_PORT_KEYS = ("port_range", *PORT_KEYS)
LIMITING_KEYS = ("allowed_sources", "allowed_destinations", "restricted_port_ranges")
"""Keys that make a rule of an environment a restriction to the listed peers."""
PROHIBITING_KEYS = (
    *("source", "sources", "destination", "destinations"),
    *("max_public_addresses", "port_match", "source_match"),
)
"""Keys that say what is prohibited: beside the above they would be lost, or taken for what is allowed."""
INGRESS_KEYS = ("source", "sources", "allowed_sources")
EGRESS_KEYS = ("destination", "destinations", "allowed_destinations")
_PORT_ZERO = re.compile(r"0+(\s*-\s*0+)?\Z", re.ASCII)
_ACCOUNT = re.compile(r"(?<![0-9])([0-9]{12})\Z")


class RawRule(NamedTuple):
    """A rule as written: where, in which direction (None: its own keys say), and its keys."""

    path: str
    direction: str | None
    keys: dict[str, Any]


def inconsistencies(raw: Mapping[str, Any]) -> Iterator[PolicyProblem]:
    """Everything in the document that does not fit together."""
    rules = list(raw_rules(raw))
    networks = _networks(raw)
    yield from _twice(rules)
    yield from _bad_networks(raw)
    for rule in rules:
        yield from _bad_ports(rule)
        yield from _bad_sources(rule, networks)
        yield from _bad_direction(rule)
        yield from _bad_combination(rule)
    yield from _unknown_exempted(raw, rules)
    yield from _same_place(raw)
    yield from _malformed_overrides(raw)


def raw_rules(raw: Mapping[str, Any]) -> Iterator[RawRule]:
    """Every rule in the document, wherever it stands; parts of another shape are left to the models."""
    for path, holder in _holders(raw):
        yield from _rules_in(path, holder)
        yield from _listed(f"{path}additional_prohibited_rules", None, holder.get("additional_prohibited_rules"))


def _holders(raw: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Where rule sections stand: at the top, in `compliance_policies`, and in each account's override."""
    yield "", raw
    yield "compliance_policies.", _object(raw.get("compliance_policies"))
    for key, override in _object(raw.get("account_specific_overrides")).items():
        yield f"account_specific_overrides.{key}.", _object(override)


def _rules_in(path: str, holder: Mapping[str, Any]) -> Iterator[RawRule]:
    for section in ("prohibited_rules", "restricted_rules", "allowed_rules"):
        for direction in ("inbound", "outbound"):
            rules = _object(holder.get(section)).get(direction)
            yield from _listed(f"{path}{section}.{direction}", direction, rules)
    for name, environment in _object(holder.get("environment_specific")).items():
        for key in ("additional_restrictions", "additional_allowances"):
            rules = _object(environment).get(key)
            yield from _listed(f"{path}environment_specific.{name}.{key}", None, rules)


def _listed(path: str, direction: str | None, rules: object) -> Iterator[RawRule]:
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict):
            yield RawRule(f"{path}[{index}]", direction, rule)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _twice(rules: Iterable[RawRule]) -> Iterator[PolicyProblem]:
    seen: dict[str, str] = {}
    for rule in rules:
        rule_id = rule.keys.get("rule_id")
        if not isinstance(rule_id, str):
            continue
        if rule_id in HYGIENE_RULE_IDS:
            yield PolicyProblem(f"{rule.path}.rule_id", "an id of its own", f"{rule_id!r}, which global_rules uses")
        elif rule_id in seen:
            yield PolicyProblem(f"{rule.path}.rule_id", "an id of its own", f"{rule_id!r}, which {seen[rule_id]} has")
        seen.setdefault(rule_id, rule.path)


def _networks(raw: Mapping[str, Any]) -> dict[str, list[str]]:
    return {
        name: [cidr for cidr in cidrs if isinstance(cidr, str) and _said(parse_block, cidr) is None]
        for name, cidrs in _object(raw.get("x_networks")).items()
        if isinstance(cidrs, list)
    }


def _bad_networks(raw: Mapping[str, Any]) -> Iterator[PolicyProblem]:
    for name, cidrs in _object(raw.get("x_networks")).items():
        if _said(lambda text: parse_sources([text], {}), name) is None:
            yield PolicyProblem(f"x_networks.{name}", "a name of its own", f"{name!r}, which is a source already")
        for index, cidr in enumerate(cidrs if isinstance(cidrs, list) else ()):
            wrong = _said(parse_block, cidr) if isinstance(cidr, str) else None
            if wrong:
                yield PolicyProblem(f"x_networks.{name}[{index}]", wrong, repr(cidr))


def _said(read: Callable[[Any], object], value: object) -> str | None:
    """What a reader has against a value, or None."""
    try:
        read(value)
    except ValueError as error:
        return str(error).removeprefix("expected ")
    return None


def _bad_ports(rule: RawRule) -> Iterator[PolicyProblem]:
    written = str(rule.keys.get("protocol", "-1"))
    if _said(parse_protocol, written):
        return
    protocol = parse_protocol(written)
    for path, text in _texts(rule, _ALL_PORT_KEYS):
        wrong = _said(lambda ports: parse_ports([ports], protocol), text)
        if wrong:
            yield PolicyProblem(path, wrong, repr(text))


def _texts(rule: RawRule, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The texts under the keys, each a text, a number, or a list of them, with their paths."""
    for key in keys:
        value = rule.keys.get(key)
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            place = f"[{index}]" if isinstance(value, list) else ""
            if isinstance(item, (str, int)) and not isinstance(item, bool):
                yield f"{rule.path}.{key}{place}", str(item)


def _bad_sources(rule: RawRule, networks: Mapping[str, list[str]]) -> Iterator[PolicyProblem]:
    for path, text in _texts(rule, (*INGRESS_KEYS, *EGRESS_KEYS)):
        wrong = _said(lambda source: parse_sources([source], networks), text.strip())
        if wrong and text.strip():  # an empty text is the models' to refuse
            nearest = next(iter(get_close_matches(text, ["any", "internet", *networks], n=1)), "")
            yield PolicyProblem(path, wrong, repr(text), nearest)


def _bad_direction(rule: RawRule) -> Iterator[PolicyProblem]:
    into = [key for key in INGRESS_KEYS if rule.keys.get(key)]
    out = [key for key in EGRESS_KEYS if rule.keys.get(key)]
    if rule.direction == "inbound" and out:
        yield PolicyProblem(f"{rule.path}.{out[0]}", "a source, for the rule is inbound", repr(out[0]))
    elif rule.direction == "outbound" and into:
        yield PolicyProblem(f"{rule.path}.{into[0]}", "a destination, for the rule is outbound", repr(into[0]))
    elif into and out:
        yield PolicyProblem(rule.path, "sources or destinations", f"both, {into[0]} and {out[0]}")


def _bad_combination(rule: RawRule) -> Iterator[PolicyProblem]:
    keys = {key for key, value in rule.keys.items() if value not in (None, [])}
    limits = next((key for key in LIMITING_KEYS if key in keys), None)
    if "additional_restrictions" in rule.path and limits:
        for key in PROHIBITING_KEYS:
            if key in keys:
                expected = f"either {key} (prohibited traffic) or {limits} (restricted traffic)"
                yield PolicyProblem(f"{rule.path}.{key}", expected, "both")
    if "source_pattern" in keys and rule.keys.get("source_type") not in (None, "security_group", "any"):
        found = repr(rule.keys["source_type"])
        yield PolicyProblem(f"{rule.path}.source_pattern", 'source_type "security_group"', found)
    texts = [text.strip() for _, text in _texts(rule, _ALL_PORT_KEYS)]
    if rule.keys.get("port_match") == "cover" and texts and all(map(_PORT_ZERO.match, texts)):
        yield PolicyProblem(f"{rule.path}.port_match", '"overlap", for port 0 alone need never be covered', "'cover'")


def _unknown_exempted(raw: Mapping[str, Any], rules: Iterable[RawRule]) -> Iterator[PolicyProblem]:
    known = [*HYGIENE_RULE_IDS, *(rule.keys["rule_id"] for rule in rules if isinstance(rule.keys.get("rule_id"), str))]
    for scope in ("security_group_exemptions", "account_exemptions"):
        for key, entry in _object(_object(raw.get("exemptions")).get(scope)).items():
            exempted = _object(entry).get("exempted_rules")
            for index, rule_id in enumerate(exempted if isinstance(exempted, list) else ()):
                if isinstance(rule_id, str) and rule_id not in known:
                    nearest = next(iter(get_close_matches(rule_id, known, n=1)), "")
                    path = f"exemptions.{scope}.{key}.exempted_rules[{index}]"
                    yield PolicyProblem(path, "the id of a rule in this document", repr(rule_id), nearest)


def _same_place(raw: Mapping[str, Any]) -> Iterator[PolicyProblem]:
    """Two entries for one account or one environment: which of them counts would be an accident."""
    overrides = filter(None, map(override_account, _object(raw.get("account_specific_overrides"))))
    configs = raw.get("accounts_config")
    accounts = [str(_object(entry).get("account_id")) for entry in (configs if isinstance(configs, list) else ())]
    for path, names in (("account_specific_overrides", overrides), ("accounts_config", accounts)):
        for name, times in Counter(names).items():
            if times > 1:
                yield PolicyProblem(path, "one entry an account", f"{times} for {name}")
    for path, holder in _holders(raw):
        keys = [key for key, value in _object(holder.get("environment_specific")).items() if isinstance(value, dict)]
        for name, times in Counter(map(environment_name, keys)).items():
            if times > 1:
                yield PolicyProblem(f"{path}environment_specific", "one entry an environment", f"{times} for {name}")


def _malformed_overrides(raw: Mapping[str, Any]) -> Iterator[PolicyProblem]:
    for key, value in _object(raw.get("account_specific_overrides")).items():
        if isinstance(value, dict) and not _ACCOUNT.search(key):
            path = f"account_specific_overrides.{key}"
            yield PolicyProblem(path, "a key that ends in a 12-digit account id", repr(key))


def override_account(key: str) -> str | None:
    """The account that an override's key names."""
    match = _ACCOUNT.search(key)
    return match[1] if match else None
