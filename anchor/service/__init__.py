"""The HTTP service: it accepts evidence and reports its status, but never seals or anchors.

``anchor run`` is the one process that seals and sends transactions; any number of service workers
use the same store beside it.
"""
