"""The policy engine: rules are compiled once at reload, evaluated on every message.

See docs/concepts/policy.md.
"""
