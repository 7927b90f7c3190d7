"""Turning one locked group into what is wanted: calls, read back, further rounds, until AWS shows it.

Each round is worked out anew from what AWS shows, so that going on after a crash, after a lost answer, or after an
edit by somebody else is nothing special. What is to be revoked and is in no backup yet is backed up first.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sg_compliance.enforcement.backup import decode_backup
from sg_compliance.enforcement.calls import calls
from sg_compliance.enforcement.plan import with_backup
from sg_compliance.enforcement.refusals import DENIED, GONE, LIMIT, NOT_TAGGED, OUTDATED, UNRESTORABLE
from sg_compliance.errors import AwsError, BackupDamagedError, SgComplianceError
from sg_compliance.evaluation.wording import rule_text
from sg_compliance.model.change import Authorize, Revoke, Tag, Untag
from sg_compliance.model.outcome import Status
from sg_compliance.model.quota import quota_count
from sg_compliance.model.security_group import identity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from sg_compliance.enforcement.backup import Backup
    from sg_compliance.interfaces import BackupStore, Clock, Journal, RuleWriter
    from sg_compliance.model.change import Call, Wanted
    from sg_compliance.model.journal import Entry, Lock
    from sg_compliance.model.security_group import Direction, Identity, Place, SecurityGroup, SecurityGroupRule

_ROUNDS: Final = 5
_PATIENCE: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds to wait for a describe that lags behind what AWS has already said to have done."""


def keep(backups: BackupStore, backup: Backup) -> Backup:
    """Write the backup, read it back, and compare. Only then may anything be changed. Raises SgComplianceError."""
    data = backup.encode()
    backups.put(backup.id, data)
    if backups.get(backup.id) != data or decode_backup(data, backup.id).encode() != data:
        message = f"backup {backup.id} reads back as something else than was written"
        raise BackupDamagedError(message, hint="nothing was changed; check where backups are kept")
    return backup


class Held:
    """A lock while it is held, and the entry that was begun under it."""

    def __init__(self, lock: Lock, journal: Journal, clock: Clock, lease: timedelta) -> None:
        self.lock = lock
        self.entry: Entry | None = None
        self.change: Change | None = None
        self._journal = journal
        self._clock = clock
        self._lease = lease
        self._over = False

    @property
    def place(self) -> Place:
        """Which group is locked."""
        return self.lock.place

    def begin(self, entry: Entry) -> None:
        """Write down what is about to be done. Raises LockLostError."""
        self.entry = replace(entry, fence=entry.fence or self.lock.fence)
        self._journal.begin(self.lock, self.entry)

    def take_over(self, entry: Entry) -> None:
        """Go on with an entry that was begun by another run."""
        self.entry = entry

    def renew(self) -> None:
        """Make sure that the group is still ours for half a lease. Raises LockLostError."""
        now = self._clock.now()
        if self.lock.until - now < self._lease / 2:
            self.lock = self._journal.renew(self.lock, now, self._lease)

    def end(self, entry: Entry) -> None:
        """Close the entry, and give the lock back. Raises LockLostError."""
        self._journal.end(self.lock, entry)
        self.entry, self._over = entry, True

    def give_back(self) -> None:
        """Give the lock back, unless the end of the entry has. Where that fails it ends with its lease."""
        if not self._over:
            self._over = True
            with suppress(SgComplianceError):
                self._journal.unlock(self.lock)


class GroupGoneError(SgComplianceError):
    """The group is not there any more."""


class _ReadAgainError(Exception):
    """The group is not as it was read."""


class Change:
    """One group on its way. `made` are the calls that AWS took, `notes` what it did not."""

    def __init__(  # noqa: PLR0913, PLR0917 - a change needs its lock, its world and what is wanted
        self, held: Held, writer: RuleWriter, backups: BackupStore, clock: Clock, backup: Backup, wanted: Wanted
    ) -> None:
        self.backup = backup
        self.made: list[Call] = []
        self.notes: list[str] = []
        self.fought = False
        self.hint = ""
        self.denied_tags = ""
        self._held = held
        self._writer = writer
        self._backups = backups
        self._clock = clock
        self._wanted = wanted
        self._room: dict[Direction, bool] = {}
        self._full: set[tuple[Direction, int]] = set()
        self._outdated: set[type[Call]] = set()
        self._lost = self._unsettled = False
        self._revoked: set[str] = set()
        self._authorized: set[Identity] = set()

    def verdict(self) -> tuple[Status, str]:
        """How it ended, and why if not well."""
        if self.fought:
            return Status.INCOMPLETE, "somebody adds rules as fast as they are removed: not fought any longer"
        if self._unsettled:
            return Status.INCOMPLETE, "the group does not become what it should: it is tried again by the next run"
        if self.denied_tags:
            return Status.INCOMPLETE, self.denied_tags
        if self._lost:
            return Status.PARTIAL, "AWS would not have all of it: see the notes"
        return Status.CHANGED, ""

    def run(self, group: SecurityGroup, read: Callable[[Place], SecurityGroup]) -> None:
        """Make the calls, read back, and go on until nothing is left to do. Raises AwsError, SgComplianceError."""
        seen = {rule.rule_id for rule in group.rules}
        for number in range(_ROUNDS):
            group = self._await(group, read)
            new = self._new(self._todo(group))
            if not new:
                return
            if self._back_up_what_was_added(new):
                new = self._new(self._todo(group))
            try:
                for call in new:
                    self._make(group.place, call)
            except _ReadAgainError:
                self._clock.sleep(_PATIENCE[min(number, len(_PATIENCE) - 1)])
            group = read(group.place)
        left = self._new(self._todo(self._await(group, read)))
        coming = {rule.rule_id for call in left if isinstance(call, Revoke) for rule in call.rules}
        self.fought = bool(coming - seen)
        self._unsettled = bool(left) and not self.fought

    def _await(self, group: SecurityGroup, read: Callable[[Place], SecurityGroup]) -> SecurityGroup:
        """While AWS does not show what it said to have done, and nothing else is to be done, wait for it to show."""
        for seconds in _PATIENCE:
            todo = self._todo(group)
            if not todo or self._new(todo):
                return group
            self._clock.sleep(seconds)
            group = read(group.place)
        if self._todo(group):
            self.notes.append("AWS confirmed every call, but does not show the result yet: look again in some minutes")
        return group

    def _todo(self, group: SecurityGroup) -> tuple[Call, ...]:
        return calls(group, self._wanted, room=self._room)

    def _new(self, todo: Sequence[Call]) -> list[Call]:
        """The calls without what AWS said to have done."""
        return [left for call in todo if (left := self._without_done(call)) is not None]

    def _without_done(self, call: Call) -> Call | None:
        if isinstance(call, Revoke):
            rules = tuple(rule for rule in call.rules if rule.rule_id not in self._revoked)
            return call._replace(rules=rules) if rules else None
        if isinstance(call, Authorize):
            rules = tuple(rule for rule in call.rules if identity(rule) not in self._authorized)
            return call._replace(rules=rules) if rules else None
        return None if call in self.made else call

    def _back_up_what_was_added(self, todo: Sequence[Call]) -> bool:
        """Rules that are to be revoked and came after the backup: into a new one, which takes the old one's place."""
        known = {identity(rule) for rule in (*self.backup.group.rules, *self._wanted.rules)}
        revoked = [rule for call in todo if isinstance(call, Revoke) for rule in call.rules]
        added = [rule for rule in revoked if identity(rule) not in known]
        entry = self._held.entry
        if not added or entry is None:
            return False
        before = self.backup.id
        self.backup = keep(self._backups, self.backup.with_rules(added, self._clock.now()))
        self._wanted = replace(self._wanted, tags=with_backup(self._wanted.tags, before, self.backup.id))
        tags = dict(with_backup(tuple(entry.wanted.get("tags", {}).items()), before, self.backup.id))
        wanted = {**entry.wanted, "tags": tags} if entry.wanted else entry.wanted
        replaced = (*entry.replaced, before)
        self._held.begin(replace(entry, backup_id=self.backup.id, wanted=wanted, replaced=replaced))
        self.notes.append(f"{len(added)} more added meanwhile, backed up in {self.backup.id}")
        return True

    def _make(self, place: Place, call: Call) -> None:
        self._held.renew()
        try:
            self._writer.do(place, call)
        except AwsError as error:
            self._refused(place, call, error)
        else:
            self._took(call)

    def _took(self, call: Call) -> None:
        self.made.append(call)
        if isinstance(call, Revoke):
            self._revoked |= {rule.rule_id for rule in call.rules if rule.rule_id}
        elif isinstance(call, Authorize):
            self._authorized |= {identity(rule) for rule in call.rules}

    def _refused(self, place: Place, call: Call, error: AwsError) -> None:
        """Go on without the call, or another way, or not at all: raise."""
        if isinstance(call, Tag | Untag) and error.code in DENIED | NOT_TAGGED:
            self._without_tags(call, error)
        elif isinstance(call, Revoke | Authorize) and error.code in OUTDATED:
            self._found_done(place, call, error)
        elif isinstance(call, Authorize) and error.code == LIMIT and call.direction not in self._room:
            self._room[call.direction] = False  # from here on rules are revoked before others are added
            raise _ReadAgainError from error
        elif isinstance(call, Authorize) and error.code in UNRESTORABLE:
            self._one_by_one(place, call, error)
        elif error.code in OUTDATED | GONE:  # whether the group itself is gone is for reading to say
            raise _ReadAgainError from error
        else:
            raise error

    def _found_done(self, place: Place, call: Revoke | Authorize, error: AwsError) -> None:
        """Some of it is done already: by us, when an answer was lost, or by somebody else. Read again; then find which.

        AWS takes all of a call or nothing. A describe may go on showing the old state for minutes.
        """
        if type(call) not in self._outdated:
            self._outdated.add(type(call))
            raise _ReadAgainError from error
        if len(call.rules) == 1:
            self._took(call)
        else:
            self._halved(place, call)

    def _halved(self, place: Place, call: Revoke | Authorize) -> None:
        half = len(call.rules) // 2
        for rules in (call.rules[:half], call.rules[half:]):
            self._make(place, call._replace(rules=rules))

    def _without_tags(self, call: Tag | Untag, error: AwsError) -> None:
        """An open door is closed all the same. Where it may be granted later, the next run tries again."""
        self.notes.append(f"tags could not be changed: {error}")
        if error.code in DENIED:
            self.denied_tags, self.hint = self.notes[-1], error.hint
        self._lost = self._lost or self._wanted.exact
        if call.resources == (self._held.place.group_id,):
            self._wanted = replace(self._wanted, tags=(), untagged=frozenset())
        else:  # descriptions are right by now: they come first
            self._wanted = replace(self._wanted, exact=False)

    def _one_by_one(self, place: Place, call: Authorize, error: AwsError) -> None:
        """AWS adds all rules of a call or none: find those that it will not have, and add the others."""
        if len(call.rules) == 1 and error.code == LIMIT:
            self._full |= _counted(call.rules[0])
        doomed = [rule for rule in call.rules if len(call.rules) == 1 or not self._full.isdisjoint(_counted(rule))]
        for rule in doomed:
            self._give_up(rule, error)
        rest = tuple(rule for rule in call.rules if rule not in doomed)
        if rest and doomed:
            self._make(place, call._replace(rules=rest))
        elif rest:
            self._halved(place, call)

    def _give_up(self, rule: SecurityGroupRule, error: AwsError) -> None:
        self._lost = True
        self.notes.append(f"not added: {rule_text(rule)}: {error}")
        rules = tuple(each for each in self._wanted.rules if identity(each) != identity(rule))
        self._wanted = replace(self._wanted, rules=rules)


def _counted(rule: SecurityGroupRule) -> set[tuple[Direction, int]]:
    """The quotas that a rule counts against: one for each direction and IP version."""
    counts = quota_count([rule], rule.direction, {})
    return {(rule.direction, version) for version, count in counts.items() if count}
