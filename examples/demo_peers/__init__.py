"""Demo peers: a payment provider, a mail service and two content systems. Standard library only.

Each keeps what it was sent in memory and has a `/control` address, where it can be told to
fail, to lose its answers, to hang, or to do what a customer would do.
"""
