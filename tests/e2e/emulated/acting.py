"""The functions' code in this process, as a session of the function's role in the emulator, with planned variables."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sg_compliance.aws import emf
from sg_compliance.entrypoints import lambda_handler
from sg_compliance.entrypoints.telemetry import Levels, logger
from tests.deployment import Invocation
from tests.e2e.emulated.emulator import REGION

if TYPE_CHECKING:
    import pytest

    from tests.builders import Json
    from tests.e2e.emulated.planned_stage import PlannedStage


@dataclass(frozen=True)
class Ran:
    """What a function gave, None where it failed, and what it wrote to its log."""

    answer: Json | None
    log: list[Json]

    @property
    def said(self) -> str:
        """The log's lines for people."""
        return "\n".join(json.dumps(each) for each in self.log if "_aws" not in each)


def keys_of(stage: PlannedStage, name: str, function: str) -> tuple[str, str, str]:
    """Keys of a session of the function's role, named as Lambda names it. MiniStack takes its root for any service."""
    planned = stage.planned[name].of("aws_lambda_function")[function]
    sts = stage.home[name].client("sts")
    given = sts.assume_role(RoleArn=planned["role"], RoleSessionName=planned["function_name"])["Credentials"]
    return given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]


class Actor:
    """Runs functions of a deployment."""

    def __init__(self, stage: PlannedStage, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stage, self._name, self._patch = stage, name, monkeypatch

    def run(self, function: str, event: Json, keys: tuple[str, str, str] | None = None, **variables: str) -> Ran:
        """Run it as if at its first invocation. `keys` and `variables` take the place of planned ones."""
        planned = self._stage.planned[self._name].of("aws_lambda_function")[function]
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        environment = {
            **planned["environment"][0]["variables"],
            **dict(zip(names, keys or keys_of(self._stage, self._name, function), strict=True)),
            "AWS_ENDPOINT_URL": self._stage.home[self._name].endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            **variables,
        }
        log = io.StringIO()
        with self._patch.context() as patch:
            for name in [name for name in os.environ if name.startswith(("AWS_", "SG_COMPLIANCE_"))]:
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr(lambda_handler, "_levels", Levels())
            patch.setattr(emf, "sys", SimpleNamespace(stdout=log))
            patch.setattr(logger.logger_handler, "stream", log)
            lambda_handler.deployed_here.cache_clear()
            answer = self._answer(function, event)
            lambda_handler.deployed_here.cache_clear()
        return Ran(answer, [json.loads(line) for line in log.getvalue().splitlines()])

    @staticmethod
    def _answer(function: str, event: Any) -> Json | None:  # noqa: ANN401  JSON
        try:
            answer: Json = getattr(lambda_handler, function)(event, Invocation())
        except lambda_handler._FailedError:  # noqa: SLF001  the only one: why is in the log
            return None
        return answer
