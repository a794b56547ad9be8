"""What we hold for upstreams: accounts in the vault, credentials, tokens per call."""
