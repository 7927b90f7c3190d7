"""Findings, skips and summaries as plain JSON values: the documented, versioned form behind every report.

Evidence keeps AWS's own keys (SecurityGroupRule in the EC2 API reference) and the values as AWS returned them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sg_compliance.evaluation.wording import change_text, protocol_name
from sg_compliance.model.finding import Severity
from sg_compliance.model.security_group import CODES, ICMP_PROTOCOLS, CidrPeer, Direction, GroupPeer

if TYPE_CHECKING:
    from sg_compliance.model.change import RuleChange
    from sg_compliance.model.finding import Exemption, Finding, Overlap
    from sg_compliance.model.scan import Skipped, Summary
    from sg_compliance.model.security_group import MalformedRule, SecurityGroupRule
    from sg_compliance.policy.parse import ParsedPolicy

SCHEMA_VERSION: Final = "1.0"


def finding_record(finding: Finding, policy: ParsedPolicy) -> dict[str, Any]:
    """One element of `findings`, which says by itself what it was judged by."""
    group = finding.group
    return {
        "id": finding.id,
        "account_id": group.account_id,
        "region": group.region,
        "vpc_id": group.vpc_id,
        "group_id": group.group_id,
        "group_name": group.name,
        "rule_id": finding.rule_id,
        "severity": finding.severity.value,
        "direction": finding.direction.value if finding.direction else None,
        "state": finding.state.value,
        "reason": finding.reason,
        "message": finding.message,
        "certain": finding.certain,
        "unknown_peers": list(finding.unknown_peers),
        "evidence": [rule_record(rule) for rule in finding.evidence] + [_malformed(rule) for rule in finding.malformed],
        "overlap": [_overlap(overlap) for overlap in finding.overlaps],
        "change": [_change(change) for change in finding.change],
        "advice": finding.advice or "; ".join(change_text(change) for change in finding.change),
        "network_interfaces": None if group.interfaces is None else list(group.interfaces),
        "exemption": _exemption(finding.exemption) if finding.exemption else None,
        "references": list(finding.references),
        "first_seen": finding.first_seen.isoformat(timespec="seconds") if finding.first_seen else None,
        "last_seen": finding.last_seen.isoformat(timespec="seconds") if finding.last_seen else None,
        "policy_version": policy.version,
        "policy_hash": hash_text(policy),
    }


def rule_record(rule: SecurityGroupRule) -> dict[str, Any]:
    """A rule of a group as AWS writes one; keys without a value are left out."""
    peer = rule.peer
    record: dict[str, Any] = {
        "SecurityGroupRuleId": rule.rule_id,
        "IsEgress": rule.direction is Direction.EGRESS,
        "IpProtocol": rule.ip_protocol,
        "FromPort": rule.from_port,
        "ToPort": rule.to_port,
    }
    if isinstance(peer, CidrPeer):
        record["CidrIpv4" if peer.block.version == 4 else "CidrIpv6"] = peer.text  # noqa: PLR2004 - the IP version
    elif isinstance(peer, GroupPeer):
        named = {
            "GroupId": peer.group_id,
            "UserId": peer.account_id,
            "GroupName": peer.name,
            "VpcId": peer.vpc_id,
            "VpcPeeringConnectionId": peer.peering_id,
            "PeeringStatus": peer.peering_status,
        }
        record["ReferencedGroupInfo"] = {key: value for key, value in named.items() if value}
    else:
        record["PrefixListId"] = peer.prefix_list_id
    record["Description"] = rule.description
    return {key: value for key, value in record.items() if value is not None}


def _malformed(rule: MalformedRule) -> dict[str, Any]:
    return {
        "IsEgress": rule.direction is Direction.EGRESS,
        "IpProtocol": rule.ip_protocol,
        "FromPort": rule.from_port,
        "ToPort": rule.to_port,
        "peer": rule.peer,
        "problem": rule.problem,
    }


def _overlap(overlap: Overlap) -> dict[str, Any]:
    return {
        "protocol": "all" if overlap.protocol < 0 else protocol_name(overlap.protocol),
        "ports": [_port_record(overlap.protocol, *each) for each in overlap.ports],
        "cidrs": [str(block) for block in overlap.cidrs],
        "groups": list(overlap.groups),
        "public_addresses": overlap.public_addresses,
    }


def _port_record(protocol: int, first: int, last: int) -> dict[str, Any]:
    """Ports; for ICMP types and codes, of which an inner range of one type has its codes named."""
    if protocol not in ICMP_PROTOCOLS:
        return {"from": first, "to": last}
    (low, code), (high, last_code) = divmod(first, CODES), divmod(last, CODES)
    record = {"from_type": low, "to_type": high}
    return record if (code, last_code) == (0, CODES - 1) else {**record, "from_code": code, "to_code": last_code}


def _change(change: RuleChange) -> dict[str, Any]:
    rule = change.rule
    return {
        "revoke": rule_record(rule),
        "keep": [
            {
                "ports": _port_record(rule.protocol, rest.first, rest.last),
                "cidr": str(rest.block) if rest.block else None,
            }
            for rest in change.keep
        ],
        "text": change_text(change),
    }


def _exemption(exemption: Exemption) -> dict[str, Any]:
    return {
        "path": exemption.path,
        "reason": exemption.reason,
        "approved_by": exemption.approved_by,
        "expires": exemption.expires.isoformat() if exemption.expires else "permanent",
        "days_left": exemption.days_left,
        "applies": not exemption.lapsed,
        "lapsed": exemption.lapsed or None,
    }


def skipped_record(skipped: Skipped) -> dict[str, Any]:
    """One element of `skipped`."""
    return {
        "account_id": skipped.account_id or None,
        "region": skipped.region or None,
        "what": skipped.what,
        "reason": skipped.reason,
        "next_step": skipped.hint or None,
        "on_purpose": not skipped.wanted,
    }


def summary_record(summary: Summary) -> dict[str, Any]:
    """`summary`."""
    return {
        "complete": summary.complete,
        "interrupted": summary.interrupted,
        "accounts": len(summary.accounts),
        "shards": summary.shards,
        "groups": summary.groups,
        "noncompliant_groups": summary.noncompliant_groups,
        "open": sum(summary.open.values()),
        "exempt": summary.exempt,
        "by_severity": {severity.value: summary.open[severity] for severity in reversed(Severity)},
        "score": summary.score,
    }


def hash_text(policy: ParsedPolicy) -> str:
    """The hash of the policy's text, with the name of its algorithm."""
    return f"sha256:{policy.sha256}"


def policy_record(policy: ParsedPolicy) -> dict[str, Any]:
    """`policy`: which document the findings were judged by."""
    return {"version": policy.version, "hash": hash_text(policy), "source": policy.source}
