"""Everything that leaves: address guard, HTTP client, relying-party flow, transport upstream."""
