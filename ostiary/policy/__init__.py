"""The policy engine: rules are compiled once at reload, evaluated on every message; see docs/concepts/policy.md."""
