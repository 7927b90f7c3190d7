"""An organisation on paper: a scan of thousands of accounts in simulated time.

The order of reading (`workflows/scheduling.py`), the pace of calls (`aws/pacing.py`) and the SDK's adaptive limiter are
the real code, driven by a simulated clock. AWS, the network, threads and the processor are modelled.
"""
