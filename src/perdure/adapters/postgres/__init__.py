"""A store in PostgreSQL: many processes and hosts write it, each run by one at a time.

It shares no code with the store in one file, and passes the same suite. A room imports from those below it::

    store.py  takeovers.py  stats.py  watched.py      the store, and what people ask it
    writing                  following     fleet      one writer and its groups · the feed · who drives what
    content                                schema     blobs, here and outside · the tables, in numbered steps
    judging                                           what one transaction sees, and judges a batch by
    link                                              connections, and what the server's errors mean
    failover                                          which server counts, and what another may lack
    wire.py  columns.py  layout.py                    values to and from the server · bounds
"""
