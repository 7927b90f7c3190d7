"""The EC2 twin: security groups in memory, with the rules that AWS has, to test policies and remediation against.

`Twin` is the engine: `call` takes the parameters of an API operation and gives its answer, both in boto3's shape, or
raises `TwinError` with AWS's error code. `attach` lets a boto3 client of yours answer from it, without a network.
Calls are kept in `log`; `faults` makes them fail, get lost, or lag.

Rules are those of the EC2 API reference and the VPC user guide: atomic changes, canonical CIDRs, quotas, pages, tags.
Not here: SourceSecurityGroupName, EC2-Classic, groups associated with several VPCs, and whether traffic flows.
"""

from sg_compliance.testing.twin.attach import attach
from sg_compliance.testing.twin.calls import Call
from sg_compliance.testing.twin.engine import Twin
from sg_compliance.testing.twin.faults import Faults
from sg_compliance.testing.twin.refusal import TwinError

__all__ = ["Call", "Faults", "Twin", "TwinError", "attach"]
