"""A world to try things on: a demo AWS organisation, and a server that plays it to any AWS client.

`organisation/` is the definition, plain data with what is expected of it. `moto_server` serves it on loopback through
moto, which is the optional extra `demo`. Nothing here knows how a group is judged, and nothing here reaches AWS.
"""
