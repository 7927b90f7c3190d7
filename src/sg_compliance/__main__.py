"""`python -m sg_compliance` is the command `sg-compliance`. Light, so that Ctrl-C is heard while the rest loads."""

import sys


def main() -> None:
    """Load the command line and run it."""
    try:
        from sg_compliance.entrypoints.cli import main as run

        run()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("interrupted\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
