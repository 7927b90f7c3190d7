"""Figures in the embedded metric format: one line on standard output each, of which CloudWatch Logs makes metrics.

Every figure is published twice by its line: under the dimension `environment` alone, which tells deployments apart, and
under its own ones beside it, where it has any: CloudWatch adds nothing up. Needs no call and no permission.

Source: CloudWatch user guide, "Specification: Embedded metric format"; API reference, Dimension.
"""

from __future__ import annotations

import json
import math
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from sg_compliance.model.metric import NAMESPACE

if TYPE_CHECKING:
    from sg_compliance.model.metric import Metric

_MOST_DIMENSIONS: Final = 29
_LONGEST: Final = 250
_ENVIRONMENT: Final = "environment"


class EmfMetrics:
    """The Metrics socket. A figure that is no number is left out."""

    def __init__(self, environment: str) -> None:
        self._environment = environment

    def put(self, metric: Metric) -> None:
        """Write its line."""
        if not math.isfinite(metric.value):
            return
        provider = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service="")
        provider.add_metric(metric.name.value, metric.name.unit.value, metric.value)
        whole = dimensions(metric, self._environment)
        provider.add_dimension(_ENVIRONMENT, whole[_ENVIRONMENT])
        if len(whole) > 1:
            provider.add_dimensions(**whole)
        line = json.dumps(provider.serialize_metric_set())
        with suppress(OSError, ValueError):  # a standard output that is closed
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


def dimensions(metric: Metric, environment: str) -> dict[str, str]:
    """The environment first, then the figure's own, as CloudWatch takes them: no name stands twice in a line."""
    taken = {"_aws", metric.name.value}
    own = {name: value for name, value in metric.dimensions.items() if _plain(name) not in taken}
    wanted = {**own, _ENVIRONMENT: environment}
    ordered = sorted(wanted.items(), key=lambda each: each[0] != _ENVIRONMENT)
    return {_plain(name): _plain(value) for name, value in ordered[:_MOST_DIMENSIONS]}


def _plain(text: str) -> str:
    """Printable ASCII that is not blank and begins with no colon, of 250 characters at most."""
    shown = "".join(char if char.isascii() and char.isprintable() else "?" for char in text).strip()
    return shown[:_LONGEST].lstrip(":").strip() or "-"
