"""What holds for every test: no way into a real AWS account, and one named way to draw hypothesis examples."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

# No test reaches a real account, whatever the shell it starts from is logged in to.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "SG_COMPLIANCE_STATE": f"{os.devnull}/none",  # nor what the user's own runs left behind
}

# Started in the background, a shell has us ignore Ctrl-C, and all that we start: tests of it would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# ci draws the same examples in every run; thorough is for a quiet evening: make test HYPOTHESIS_PROFILE=thorough
settings.register_profile("ci", derandomize=True, print_blob=True, deadline=None)
settings.register_profile("local", print_blob=True, deadline=None)
settings.register_profile("thorough", max_examples=5_000, print_blob=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "local"))
