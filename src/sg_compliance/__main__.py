"""`python -m sg_compliance` is the command `sg-compliance`. Light, so that Ctrl-C is heard while the rest loads."""

import sys


def main() -> None:
    """Load the command line and run it."""
    if sys.argv[1:2] == ["respond"]:
        _end_well_before_the_first_message()
    try:
        from sg_compliance.entrypoints.cli import main as run

        run()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("interrupted\n")
        sys.exit(2)


def _end_well_before_the_first_message() -> None:
    """Until `respond` takes messages nothing is in hand: whoever stops it then gets what was asked for, at once."""
    import os
    import signal
    from contextlib import suppress

    def stop(_number: int, _frame: object) -> None:
        with suppress(OSError):  # nobody may be there to read it
            os.write(2, b"\nstopped before the first message\n")
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, OSError, RuntimeError, ValueError):
                stream.flush()
        os._exit(0)  # an exception may be raised where others take it for theirs, and go on

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


if __name__ == "__main__":
    main()
