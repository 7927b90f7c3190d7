"""The same traffic written differently: what the recuts change is the writing alone."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from tests.builders import peers
from tests.properties.cases import LISTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.builders import Json

    Draw = Callable[[st.SearchStrategy[Any]], Any]

MORE_LISTS: Final[dict[str, list[str] | None]] = {
    **LISTS,
    "pl-as-all": ["128.0.0.0/1", "0.0.0.0/1"],
    "pl-as-ten": ["10.0.0.0/9", "10.128.0.0/9"],
    "pl-as-dns": ["8.8.8.0/24"],
}
_AS_LIST: Final = {"0.0.0.0/0": "pl-as-all", "10.0.0.0/8": "pl-as-ten", "8.8.8.0/24": "pl-as-dns"}


def shuffled(draw: Draw, raw: Json) -> Json:
    """The permissions in another order, some of them twice."""
    return _with(raw, lambda permissions: draw(st.permutations([*permissions, *permissions[:2]])))


def recut(draw: Draw, raw: Json) -> Json:
    """Blocks and port ranges cut up, spread over permissions, repeated in part, or put into prefix lists."""
    return _with(raw, lambda own: draw(st.permutations([piece for each in own for piece in _cut(draw, each)])))


def _with(raw: Json, change: Callable[[list[Json]], list[Json]]) -> Json:
    return {**raw, **{key: change(raw[key]) for key in ("IpPermissions", "IpPermissionsEgress")}}


def _texts(permission: Json) -> list[str]:
    keys = (
        ("IpRanges", "CidrIp"),
        ("Ipv6Ranges", "CidrIpv6"),
        ("PrefixListIds", "PrefixListId"),
        ("UserIdGroupPairs", "GroupId"),
    )
    return [item[field] for key, field in keys for item in permission[key]]


def _cut(draw: Draw, permission: Json) -> list[Json]:
    texts = _texts(permission)
    chosen = set(draw(st.lists(st.integers(0, len(texts) - 1), max_size=4)))
    ways: list[list[str]] = [_rewritten(draw, text) if index in chosen else [text] for index, text in enumerate(texts)]
    flat = [text for way in ways for text in way]
    half = draw(st.integers(0, len(flat)))
    parts = [part for part in (flat[:half], flat[half:]) if part]
    ports = _ports(draw, permission)
    made = [
        {**permission, "FromPort": first, "ToPort": last, **peers(*part)} for part in parts for first, last in ports
    ]
    if permission["IpProtocol"] == "-1" and draw(st.booleans()):
        made.append(
            {**permission, "IpProtocol": draw(st.sampled_from(["tcp", "17", "47"])), "FromPort": 22, "ToPort": 23}
        )
    return made


def _rewritten(draw: Draw, text: str) -> list[str]:
    if text[:3] in {"pl-", "sg-"}:
        return [text, text]
    network = ip_network(text, strict=False)
    if str(network) in _AS_LIST and draw(st.booleans()):
        return [_AS_LIST[str(network)]]
    if network.prefixlen == network.max_prefixlen:
        return [text]
    cut = [
        str(each)
        for each in network.subnets(
            prefixlen_diff=draw(st.sampled_from([1, 1, min(2, network.max_prefixlen - network.prefixlen)]))
        )
    ]
    return draw(st.sampled_from([cut, [text, cut[0]], [cut[0], *cut]]))  # type: ignore[no-any-return]


def _ports(draw: Draw, permission: Json) -> list[tuple[Any, Any]]:
    first, last = permission["FromPort"], permission["ToPort"]
    if permission["IpProtocol"].lower() not in {"tcp", "6", "udp", "17"}:
        return [(first, last)]
    if first is None or int(first) == -1:
        first, last = 0, 65535
    if int(last) == int(first):
        return [(first, last)]
    middle = draw(st.integers(int(first), int(last) - 1))
    ways = [[(first, last)], [(first, middle), (middle + 1, last)], [(first, last), (first, middle)]]
    return draw(st.sampled_from(ways))  # type: ignore[no-any-return]
