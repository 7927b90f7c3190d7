"""Many calls at once, their answers in order. Daemon threads: after Ctrl-C nobody waits for an answer."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Question = TypeVar("Question")
Answer = TypeVar("Answer")

_POLL_SECONDS = 0.2


class _Slot(Generic[Answer]):
    """Where one answer, or what went wrong instead, will be."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.answer: Answer
        self.error: BaseException | None = None


def in_order(ask: Callable[[Question], Answer], questions: Sequence[Question], workers: int) -> Iterator[Answer]:
    """Each answer as soon as those before it are there. Raises what `ask` raises."""
    waiting: SimpleQueue[tuple[Question, _Slot[Answer]]] = SimpleQueue()
    slots: list[_Slot[Answer]] = [_Slot() for _ in questions]
    for question, slot in zip(questions, slots, strict=True):
        waiting.put((question, slot))
    stopped = threading.Event()
    for _ in range(min(workers, len(slots))):
        threading.Thread(target=_work, args=(ask, waiting, stopped), daemon=True, name="accounts").start()
    try:
        for slot in slots:
            while not slot.ready.wait(_POLL_SECONDS):
                pass
            if slot.error:
                raise slot.error
            yield slot.answer
    finally:
        stopped.set()


def _work(
    ask: Callable[[Question], Answer], waiting: SimpleQueue[tuple[Question, _Slot[Answer]]], stopped: threading.Event
) -> None:
    while not stopped.is_set():
        try:
            question, slot = waiting.get_nowait()
        except Empty:
            return
        try:
            slot.answer = ask(question)
        except BaseException as error:  # noqa: BLE001 - raised where the answer is waited for
            slot.error = error
        slot.ready.set()
