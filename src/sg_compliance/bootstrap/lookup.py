"""Wires what single groups are looked up with."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sg_compliance.bootstrap import CHANGING, any_pattern, inventory, role_names_of, sessions_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sg_compliance.bootstrap import Where
    from sg_compliance.interfaces import Lookup
    from sg_compliance.policy.parse import ParsedPolicy


@contextmanager
def lookup(where: Where, policy: ParsedPolicy, *, checked: bool = False) -> Iterator[Lookup]:
    """Single groups in files where there are sources, else in AWS, with the role for scans.

    `checked`: files are read once before, so that what cannot be used is told at the beginning.
    A call of AWS is given up early: who asks has a time limit, and can ask again. Raises SgComplianceError.
    """
    if where.sources:
        from sg_compliance.local.lookup import FileLookup

        with inventory(where, policy) as found:
            files = FileLookup(found)
            if checked:
                files.check(where.regions)
            yield files
        return
    from sg_compliance.aws.ec2_lookup import Ec2Lookup

    sessions = sessions_of(where, where.role_name, CHANGING)
    yield Ec2Lookup(sessions, role_names_of(policy), names_of_groups=any_pattern(policy))
