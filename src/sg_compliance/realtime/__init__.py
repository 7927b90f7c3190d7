"""Events: what an API call changed, where and by whom. Pure: no clock, no files, no AWS.

Nothing in an event is believed for what a group looks like: an event says where to look, and what to expect there.
"""
