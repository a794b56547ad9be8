"""Everything that leaves: the address guard, the HTTP client, the relying-party flow, the transport to upstreams."""
