"""Many calls at once: answers in order, errors where their answer would be, nobody waited for after the end."""

from __future__ import annotations

import threading

import pytest

from sg_compliance.aws.concurrency import in_order


def test_answers_come_in_the_order_of_the_questions() -> None:
    first = threading.Event()

    def ask(number: int) -> int:
        if number == 0:
            first.wait(5)
        else:
            first.set()
        return number * 10

    assert list(in_order(ask, range(6), workers=3)) == [0, 10, 20, 30, 40, 50]


def test_an_error_is_raised_where_its_answer_would_be() -> None:
    found = in_order(lambda number: 1 // number, [1, 0, 2], workers=2)
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_who_stops_listening_does_not_wait_for_answers() -> None:
    hangs = threading.Event()
    found = in_order(lambda number: hangs.wait(60) if number else True, [0, 1, 2], workers=1)
    assert next(found)
    del found
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "accounts")
    hangs.set()


def test_without_questions_there_is_no_answer() -> None:
    assert list(in_order(str, [], workers=4)) == []
