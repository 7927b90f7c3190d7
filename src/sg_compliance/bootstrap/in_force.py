"""The policy as a process keeps it between invocations: bound anew where it, or what people granted, has changed.

Binding the rules of the default policy takes 2 ms, which would be at every event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sg_compliance.policy.exemptions import exempting
from sg_compliance.policy.resolve import Policy

if TYPE_CHECKING:
    from sg_compliance.bootstrap.settings import Settings
    from sg_compliance.model.concession import Concession
    from sg_compliance.policy.document import Document
    from sg_compliance.policy.parse import ParsedPolicy
    from sg_compliance.policy.reaction import MassOperations


class InForce:
    """What was made of the last document. Not for several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._overridden: tuple[ParsedPolicy, Document] | None = None
        self._bound: tuple[Document, list[Concession], Policy] | None = None

    def bound(self, document: Document, granted: list[Concession]) -> Policy:
        """The document with the exemptions that were granted beside it."""
        if self._bound is None or self._bound[0] is not document or self._bound[1] != granted:
            self._bound = (document, granted, Policy(exempting(document, granted), self._settings.environment))
        return self._bound[2]

    def in_real_time(self, parsed: ParsedPolicy) -> Document:
        """The document under the deployment's settings: the same object for as long as the policy stays."""
        if self._overridden is None or self._overridden[0] is not parsed:
            self._overridden = (parsed, overridden(parsed.document, self._settings))
        return self._overridden[1]


def overridden(document: Document, settings: Settings) -> Document:
    """The document with what the deployment says about real time: it can switch it off, and set other limits.

    Blocking needs both: the policy asks for it, and the deployment lets it (`Containing.automatic`).
    """
    scanning = document.policies().real_time_scanning
    rules = scanning.detection_rules
    mass: MassOperations = rules.mass_operations_detected
    limits = {
        "threshold_per_minute": settings.max_operations_per_minute,
        "threshold_per_hour": settings.mass_operations_alert_threshold,
    }
    mass = mass.model_copy(update={key: limit for key, limit in limits.items() if limit is not None})
    scanning = scanning.model_copy(
        update={
            "enabled": scanning.enabled and settings.real_time_scanning_enabled,
            "detection_rules": rules.model_copy(update={"mass_operations_detected": mass}),
        }
    )
    return document.model_copy(update={"real_time_scanning": scanning})
