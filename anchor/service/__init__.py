"""The HTTP service: takes evidence in, and says where it stands.  It never seals and never sends.

``anchor run`` is the one process that does; any number of workers of the service stand beside it on
the same store.
"""
