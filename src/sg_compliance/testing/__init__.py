"""A world to try things on: EC2's security groups in memory, a demo AWS organisation, and a server that plays both.

`twin/` has the groups, with AWS's real rules. `organisation/` is the definition of the demo, plain data with what is
expected of it. `moto_server` serves it on loopback through moto, the optional extra `demo`. Nothing here knows how a
group is judged, and nothing here reaches AWS.
"""
