"""Benchmarks: what a judged group costs here, and what it costs with the tools in use today.

Run everything with `python -m benchmarks` (see `--help`). Nothing here is part of the installed package, no figure is
asserted by a test, and all traffic stays on 127.0.0.1.
"""
