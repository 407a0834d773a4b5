"""The routes of the service, one module per resource; the rules are in ``anchor.service``."""
