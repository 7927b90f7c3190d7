"""An EC2 endpoint on 127.0.0.1 that serves ready-made pages, to measure the client and not the server.

DescribeSecurityGroups answers with pages of 1,000 groups and a NextToken. The pages are rendered once, before the port
is printed; filters, MaxResults and signatures are ignored, every account and region sees the same groups. The other
calls of a scan get one region, the two prefix lists of the estate, no interfaces, one identity. Anything else is
`InvalidAction`, so that a call nobody thought of is seen. No throttling, no latency, no TLS: a live scan of AWS waits
for all three.

Usage: python -m benchmarks.loopback_ec2 --groups N [--open-share X]; prints its port and stops when stdin closes.
"""

import argparse
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from benchmarks.groups import OPEN_SHARE, OWNER, PREFIX_LISTS, REGION, Group, groups

PAGE_SIZE: Final = 1_000
EC2_NAMESPACE: Final = "http://ec2.amazonaws.com/doc/2016-11-15/"
STS_NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
REQUEST_ID: Final = "<requestId>00000000-0000-4000-8000-000000000000</requestId>"

THE_REGION: Final = (
    f"<item><regionName>{REGION}</regionName><regionEndpoint>127.0.0.1</regionEndpoint>"
    "<optInStatus>opt-in-not-required</optInStatus></item>"
)
IDENTITY: Final = (
    f'<GetCallerIdentityResponse xmlns="{STS_NAMESPACE}"><GetCallerIdentityResult>'
    f"<Arn>arn:aws:iam::{OWNER}:user/benchmark</Arn><UserId>AIDABENCHMARK</UserId><Account>{OWNER}</Account>"
    "</GetCallerIdentityResult><ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
).encode()
INVALID_ACTION: Final = (
    b"<Response><Errors><Error><Code>InvalidAction</Code><Message>The loopback endpoint does not know this action"
    b"</Message></Error></Errors><RequestID>0</RequestID></Response>"
)


def render_pages(count: int, *, open_share: float = OPEN_SHARE) -> dict[str, bytes]:
    """Return every page of an estate of `count` groups by the token that asks for it; the first has none."""
    pages: dict[str, bytes] = {}
    for start in range(0, max(count, 1), PAGE_SIZE):
        size = min(PAGE_SIZE, count - start)
        items = "".join(map(_group, groups(size, start=start, open_share=open_share)))
        end = start + size
        token = f"<nextToken>page-{end}</nextToken>" if end < count else ""
        answer = _ec2_answer("DescribeSecurityGroups", f"<securityGroupInfo>{items}</securityGroupInfo>{token}")
        pages[f"page-{start}" if start else ""] = answer
    return pages


def _ec2_answer(action: str, body: str) -> bytes:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f'{head}<{action}Response xmlns="{EC2_NAMESPACE}">{REQUEST_ID}{body}</{action}Response>'.encode()


def prefix_lists() -> bytes:
    """Return the answer that names every prefix list of the estate."""
    items = (
        f"<prefixListId>{list_id}</prefixListId><addressFamily>IPv4</addressFamily><state>create-complete</state>"
        f"<prefixListArn>arn:aws:ec2:{REGION}:aws:prefix-list/{list_id}</prefixListArn>"
        f"<prefixListName>{name}</prefixListName><ownerId>AWS</ownerId>"
        for list_id, (name, _) in PREFIX_LISTS.items()
    )
    return _ec2_answer("DescribeManagedPrefixLists", _list("prefixListSet", items))


def prefix_list_entries(list_id: str) -> bytes:
    """Return the entries of one prefix list; none for a list that is not of the estate."""
    cidrs = PREFIX_LISTS[list_id][1] if list_id in PREFIX_LISTS else ()
    items = (f"<cidr>{cidr}</cidr>" for cidr in cidrs)
    return _ec2_answer("GetManagedPrefixListEntries", _list("entrySet", items))


def _group(group: Group) -> str:
    return "<item>{}{}{}{}</item>".format(
        _fields(group, "OwnerId", "GroupId", "GroupName", "VpcId", "SecurityGroupArn")
        + f"<groupDescription>{escape(group['Description'])}</groupDescription>",
        _list("ipPermissions", map(_permission, group["IpPermissions"])),
        _list("ipPermissionsEgress", map(_permission, group["IpPermissionsEgress"])),
        _list("tagSet", (_fields(tag, "Key", "Value") for tag in group["Tags"])),
    )


def _permission(permission: dict[str, Any]) -> str:
    return _fields(permission, "IpProtocol", "FromPort", "ToPort") + "".join(
        _list(name, (_fields(peer, *fields) for peer in permission[key]))
        for key, name, fields in (
            ("UserIdGroupPairs", "groups", ("UserId", "GroupId", "Description")),
            ("IpRanges", "ipRanges", ("CidrIp", "Description")),
            ("Ipv6Ranges", "ipv6Ranges", ("CidrIpv6", "Description")),
            ("PrefixListIds", "prefixListIds", ("PrefixListId", "Description")),
        )
    )


def _fields(item: dict[str, Any], *names: str) -> str:
    """Render scalars; EC2 spells an element like the boto3 key with a small first letter."""
    return "".join(f"<{n[0].lower()}{n[1:]}>{escape(str(item[n]))}</{n[0].lower()}{n[1:]}>" for n in names if n in item)


def _list(name: str, items: Iterable[str]) -> str:
    inner = "".join(f"<item>{item}</item>" for item in items)
    return f"<{name}>{inner}</{name}>"


FIXED_ANSWERS: Final = {
    "GetCallerIdentity": IDENTITY,
    "DescribeManagedPrefixLists": prefix_lists(),
    "DescribeNetworkInterfaces": _ec2_answer("DescribeNetworkInterfaces", "<networkInterfaceSet/>"),
    "DescribeSecurityGroupRules": _ec2_answer("DescribeSecurityGroupRules", "<securityGroupRuleSet/>"),
    "DescribeRegions": _ec2_answer("DescribeRegions", f"<regionInfo>{THE_REGION}</regionInfo>"),
}


class Ec2Handler(BaseHTTPRequestHandler):
    """Answer a query-protocol POST from ready bytes, on a connection that is kept."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    pages: dict[str, bytes]

    def do_POST(self) -> None:
        """Read the form and write the ready answer."""
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        status, body = self._answer({name: values[0] for name, values in form.items()})
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/xml;charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def _answer(self, form: dict[str, str]) -> tuple[str, bytes]:
        action, token = form.get("Action", ""), form.get("NextToken", "")
        if action == "DescribeSecurityGroups" and token in self.pages:
            return "200 OK", self.pages[token]
        if action == "GetManagedPrefixListEntries":
            return "200 OK", prefix_list_entries(form.get("PrefixListId", ""))
        if action in FIXED_ANSWERS:
            return "200 OK", FIXED_ANSWERS[action]
        sys.stderr.write(f"loopback_ec2: unknown action {action!r} or token {token!r}\n")
        return "400 Bad Request", INVALID_ACTION


@contextmanager
def served(size: int) -> Iterator[str]:
    """Serve an estate on 127.0.0.1 from a child process for the duration of a block."""
    command = [sys.executable, "-m", "benchmarks.loopback_ec2", "--groups", str(size)]
    top = Path(__file__).parents[1]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=top) as server:
        if server.stdout is None or server.stdin is None:
            raise RuntimeError("pipes were asked for")
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.stdin.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Render, print the port, serve until stdin closes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loopback_ec2", description=__doc__)
    parser.add_argument("--groups", type=int, default=PAGE_SIZE)
    parser.add_argument("--open-share", type=float, default=OPEN_SHARE)
    options = parser.parse_args(arguments)
    Ec2Handler.pages = render_pages(options.groups, open_share=options.open_share)
    with ThreadingHTTPServer(("127.0.0.1", 0), Ec2Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdout.write(f"{server.server_address[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
