"""We as authorization server: metadata, clients, authorize, login, consent, redeem, issued tokens."""
