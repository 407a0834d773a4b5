"""The routes of the service, one module a resource; the rules are in the modules around them."""
