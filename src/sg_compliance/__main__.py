"""`python -m sg_compliance` is the command `sg-compliance`."""

from sg_compliance.entrypoints.cli import main

if __name__ == "__main__":
    main()
