"""Where state lives between requests: one protocol, several stores, one contract suite."""
