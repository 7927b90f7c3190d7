"""Clients of AWS's services in many accounts: whose credentials, which endpoint, how patient.

One SDK session serves every account, because each would read the configuration files (4 ms) and parse the EC2 model
(60 to 90 ms of CPU) for itself. A client is made with the calls that its adapter declares and no other: with all 830 of
EC2 it takes 8 to 18 ms and 1.4 MB, with six of them 2 ms and 0.1 MB. So an adapter cannot make a call that its
IAM_ACTIONS do not name.

Clients of one endpoint share their connections, whatever the account: every request is signed for itself. A new
connection takes 16 to 20 ms of CPU, most of it reading the certificates of the authorities anew.

Not here: what is asked of a service. That is in the adapter named after it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import CredentialRetrievalError
from botocore.loaders import Loader

from sg_compliance import __version__
from sg_compliance.aws.ec2_response import ResponseParsers
from sg_compliance.aws.failures import EXPIRED, explained, malformed
from sg_compliance.errors import AwsError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.client import BaseClient
    from botocore.credentials import Credentials

IAM_ACTIONS: Final = frozenset({"sts:AssumeRole", "sts:GetCallerIdentity"})

DEFAULT_REGION: Final = "us-east-1"
MAX_ATTEMPTS: Final = 6
"""First try included. The waits between them are up to 1, 2, 4, 8 and 16 s: 15 s on average until it is given up."""

_MAX_CLIENTS: Final = 256
"""Each keeps connections open: more than a scan reads at once, and far from the usual limit of 1,024 open files."""

_MAX_CONNECTIONS: Final = 256
"""To one endpoint, kept open: as many as threads may use at once."""

_OPERATIONS: Final = {
    "dynamodb:PutItem": ("PutItem", "TransactWriteItems"),
    "s3:ListBucket": ("HeadBucket", "ListObjectsV2"),
}
"""Operations that are not named as the IAM action that allows them (Service Authorization Reference).

A transaction needs the action of each of its writes; HeadBucket is what the SDK asks when a bucket is elsewhere.
"""

_CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 60


class Role(NamedTuple):
    """The role to assume in accounts other than the caller's. `seconds` is how long a session lasts: 900 to 43,200."""

    name: str = ""
    external_id: str = ""
    session_name: str = "sg-compliance"
    seconds: int = 3600


class Caller(NamedTuple):
    """Who the base credentials belong to."""

    account_id: str
    arn: str

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`: the second part of every ARN."""
        return self.arn.split(":")[1]


class Sessions:
    """Clients by account, region and service; safe to use from several threads.

    The base credentials come from wherever the SDK finds them: profile, environment, attached role. `endpoint_url` is
    used for every service. `keys` (access key, secret key) take the place of what the SDK finds: for endpoints that
    take any, such as the demo. `fallback_region` is where STS and Organizations are asked when none is configured.

    Raises:
        InputError: `endpoint_url` is no URL.
        AwsError: there is no such profile, or the configuration cannot be read.
    """

    def __init__(  # noqa: PLR0913  each is an option of the command
        self,
        *,
        profile: str | None = None,
        endpoint_url: str | None = None,
        keys: tuple[str, str] | None = None,
        role: Role = Role(),  # noqa: B008  a tuple: it cannot change
        fallback_region: str = DEFAULT_REGION,
        max_attempts: int = MAX_ATTEMPTS,
        read_seconds: int = READ_SECONDS,
    ) -> None:
        _check_url(endpoint_url)
        self._endpoint_url = endpoint_url
        self._role = role
        config = Config(
            retries={"mode": "adaptive", "total_max_attempts": max_attempts},
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=read_seconds,
            max_pool_connections=_MAX_CONNECTIONS,
            user_agent_extra=f"sg-compliance/{__version__}",
            proxies={} if _is_loopback(endpoint_url) else None,
        )
        with explained():
            self._session = _SharedSession(profile, keys)
            self._session.set_default_client_config(config)
            self.home_region: str = self._session.get_config_variable("region") or fallback_region
        self._clients: OrderedDict[tuple[object, ...], BaseClient] = OrderedDict()
        self._connections: dict[str, object] = {}
        self._assumed: dict[str, _AssumedRole] = {}
        self._caller: Caller | None = None
        # A client may ask for credentials while it is made, and those for a client of STS: hence reentrant.
        self._lock, self._caller_lock = threading.RLock(), threading.Lock()

    def caller(self) -> Caller:
        """Who the base credentials belong to. Asked once. Raises AwsError."""
        with self._caller_lock:
            if self._caller is None:
                with explained():
                    answer = self._sts().get_caller_identity()
                if not answer.get("Account") or str(answer.get("Arn")).count(":") < 5:  # noqa: PLR2004  the colons of an ARN
                    raise malformed("sts:GetCallerIdentity", "does not say who calls")
                self._caller = Caller(answer["Account"], answer["Arn"])
            return self._caller

    def enter(self, account_id: str, role_name: str = "") -> str:
        """Get credentials for the account and return the ARN of who acts there: the caller, or the assumed role.

        `role_name` takes the place of the usual one. Raises AwsError where the role cannot be assumed.
        """
        assumed = self._credentials(account_id, role_name)
        if assumed is None:
            return self.caller().arn
        with explained(assumed.role_arn):
            assumed.get_frozen_credentials()
        return assumed.role_arn

    def client(
        self, service: str, actions: frozenset[str], region: str = "", account_id: str = "", role_name: str = ""
    ) -> BaseClient:
        """Return a client that can do no more than `actions` (`ec2:DescribeRegions` …). Raises AwsError.

        Without a region it is at home; without an account it acts as the caller. Actions of other services, which
        AWS takes on the caller's behalf (`kms:Decrypt` in S3), are no operations of this client.
        """
        assumed = self._credentials(account_id, role_name) if account_id else None
        place = region or self.home_region
        key = (service, actions, place, assumed and assumed.role_arn)
        with self._lock:
            client = self._clients.pop(key, None) or self._create(service, actions, place, assumed)
            self._clients[key] = client
            if len(self._clients) > _MAX_CLIENTS:
                self._clients.popitem(last=False)
        return client

    def _credentials(self, account_id: str, role_name: str) -> _AssumedRole | None:
        """The assumed role, which is the same object for all regions of an account; None for the caller itself."""
        caller = self.caller()
        name = role_name or self._role.name
        if account_id == caller.account_id:
            return None
        if not name:
            message = f"no role is named to assume in account {account_id}"
            raise AwsError(message, code="NoRole", hint="name the role that lets this scan read there")
        arn = f"arn:{caller.partition}:iam::{account_id}:role/{name}"
        with self._lock:
            if arn not in self._assumed:
                self._assumed[arn] = _AssumedRole(arn, self._role, lambda request: self._sts().assume_role(**request))
            return self._assumed[arn]

    def _sts(self) -> Any:  # noqa: ANN401  SDK clients have no types of their own
        return self.client("sts", IAM_ACTIONS)

    def _create(self, service: str, actions: frozenset[str], region: str, assumed: _AssumedRole | None) -> BaseClient:
        """Make a client. Only under the lock: sessions are not thread-safe, clients are (boto3's guide, Session)."""
        operations = _operations(service, actions)
        with explained():
            client = self._session.client_for(assumed, operations, service, region, self._endpoint_url)
        endpoint: Any = client._endpoint  # type: ignore[attr-defined]  # noqa: SLF001  no other way to its connections
        endpoint.http_session = self._connections.setdefault(client.meta.endpoint_url, endpoint.http_session)
        if assumed is not None:
            client.meta.events.register("needs-retry", assumed.renew_where_refused)  # type: ignore[arg-type]  # it answers
        return client


class _Making(threading.local):
    """The client that a thread is making: for the SDK's own clients, which it makes to log in, nothing is set."""

    service: str | None = None
    operations: frozenset[str] = frozenset()
    credentials: Credentials | None = None


class _SharedSession(botocore.session.Session):
    """The SDK's session for every account."""

    def __init__(self, profile: str | None, keys: tuple[str, str] | None) -> None:
        super().__init__(profile=profile)
        self._making = _Making()
        self.register_component("data_loader", _NarrowLoader(self._making, self.get_component("data_loader")))
        self.register_component("response_parser_factory", ResponseParsers())
        # Tokens of the global endpoint are refused in regions that an account has to opt in to (STS user guide).
        self.set_config_variable("sts_regional_endpoints", "regional")
        if keys:
            self.set_credentials(*keys)

    def client_for(
        self,
        credentials: Credentials | None,
        operations: frozenset[str],
        service: str,
        region: str,
        endpoint_url: str | None,
    ) -> BaseClient:
        """Make a client with these credentials (None: the base ones) that has these operations only."""
        making = self._making
        credentials = credentials or super().get_credentials()
        making.service, making.operations, making.credentials = service, operations, credentials
        try:
            return self.create_client(service, region_name=region, endpoint_url=endpoint_url)
        finally:
            making.service, making.credentials = None, None

    def get_credentials(self) -> Credentials | None:
        """The SDK asks here when it makes a client."""
        return self._making.credentials or super().get_credentials()


class _NarrowLoader(Loader):
    """Service models, parsed once; the one of the client that is being made shows the wanted operations only."""

    def __init__(self, making: _Making, usual: Loader) -> None:
        super().__init__(usual.search_paths)
        self._making = making
        self._models = service_models(tuple(usual.search_paths))

    def load_data_with_path(self, name: str) -> Any:  # noqa: ANN401  the SDK's signature
        """Return what every session reads, read once for all of them, and the folder it came from."""
        return self._models.load_data_with_path(name)

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:  # noqa: ANN401  the SDK's signature
        """Return the model, with the operations that are not asked for left out."""
        model = self._models.load_service_model(service_name, type_name, api_version)
        if type_name != "service-2" or service_name != self._making.service:
            return model
        operations = model["operations"]
        return {**model, "operations": {name: operations[name] for name in self._making.operations & operations.keys()}}


@cache
def service_models(search_paths: tuple[str, ...]) -> Loader:
    """What stands in these folders: a process has several sessions, and the model of EC2 alone takes 60 ms to read."""
    return Loader(list(search_paths))


class _AssumedRole(DeferredRefreshableCredentials):
    """Credentials of a role: asked for at first use, again before they run out, and again when AWS refuses them.

    The SDK renews 15 minutes before the end, which for a session of 15 minutes would be at every call: here it is the
    last quarter of the session at most.
    """

    def __init__(self, role_arn: str, role: Role, assume: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        super().__init__(self._fetch, "assume-role")
        self.role_arn = role_arn
        self._role = role
        self._assume = assume
        self._refused = False

    def refresh_needed(self, refresh_in: int | None = None) -> bool:
        """Tell whether it is time for new ones: the SDK asks before it signs."""
        longest = self._role.seconds // 4
        return self._refused or super().refresh_needed(longest if refresh_in is None else min(refresh_in, longest))

    def renew_where_refused(
        self, response: tuple[Any, Mapping[str, Any]] | None, request_dict: dict[str, Any], **_: object
    ) -> int | None:
        """Have a call that was refused as expired signed anew, once: the answer to the SDK is the seconds to wait."""
        context = request_dict["context"]
        code = response[1].get("Error", {}).get("Code") if response else None
        if code not in EXPIRED or "sg_compliance_renewed" in context:
            return None
        context["sg_compliance_renewed"] = self._refused = True
        return 0

    def _fetch(self) -> dict[str, str]:
        request = {
            "RoleArn": self.role_arn,
            "RoleSessionName": self._role.session_name,
            "DurationSeconds": self._role.seconds,
        }
        if self._role.external_id:
            request["ExternalId"] = self._role.external_id
        given = self._assume(request).get("Credentials", {})
        if given.get("Expiration") is None or given["Expiration"] <= datetime.now(UTC):
            problem = f"STS gave no credentials for {self.role_arn} that are still valid by this machine's clock"
            raise CredentialRetrievalError(provider=self.method, error_msg=problem)
        self._refused = False
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }


def _operations(service: str, actions: frozenset[str]) -> frozenset[str]:
    """The operations of a service that the IAM actions allow."""
    own = [action for action in actions if action.startswith(f"{service}:")]
    return frozenset(name for action in own for name in _OPERATIONS.get(action, (action.partition(":")[2],)))


def _check_url(endpoint_url: str | None) -> None:
    if endpoint_url is None:
        return
    parts = urlsplit(endpoint_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(f"{endpoint_url!r} is no endpoint", hint="write it like http://127.0.0.1:5000")


def _is_loopback(endpoint_url: str | None) -> bool:
    """Whether a proxy could not reach it."""
    return urlsplit(endpoint_url or "").hostname in {"127.0.0.1", "::1", "localhost"}
