"""The live feed: one reader of the log in each process, and the sockets that it serves.

`feed` follows the log and hands each event to the sessions that asked for it; a `session`
is one client of either protocol; an `audience` is what a credential may see.

Note [From the past to the present]
A subscription is first served by a catch-up of its own: from the log in pages, then from
the feed's recent frames. It joins the feed in the same step of the event loop in which its
cursor meets the feed's position, so that nothing lies between the two and nothing comes
twice. One without `after` starts at the feed's position and takes the same road.
"""
