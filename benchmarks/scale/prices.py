"""List prices in US dollars, us-east-1, x86, without free tiers and discounts; as published in 2024 to 2026.

Sources: aws.amazon.com/lambda/pricing, aws.amazon.com/step-functions/pricing, aws.amazon.com/s3/pricing. Calls of EC2
and STS cost nothing.
"""

from typing import Final

LAMBDA_GB_SECOND: Final = 0.0000166667
LAMBDA_REQUEST: Final = 0.20 / 1_000_000
STATE_TRANSITION: Final = 0.025 / 1_000
"""Of a standard workflow."""
PUT: Final = 0.005 / 1_000

FORMULA: Final = (
    f"GB-seconds × ${LAMBDA_GB_SECOND:.10f} + invocations × ${LAMBDA_REQUEST:.7f} + "
    f"state transitions × ${STATE_TRANSITION:.6f} + objects written to S3 × ${PUT:.6f}"
)


def functions(gb_seconds: float, invocations: int) -> float:
    """What Lambda takes."""
    return gb_seconds * LAMBDA_GB_SECOND + invocations * LAMBDA_REQUEST


def mapped(children: int) -> float:
    """What a Distributed Map with standard child workflows takes beside: list, map, sum up, and one step a child.

    Each child writes its result to S3.
    """
    return (children + 3) * STATE_TRANSITION + children * PUT
