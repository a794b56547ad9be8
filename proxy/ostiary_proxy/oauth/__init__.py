"""We as authorization server: metadata, clients, login, consent, codes, issued tokens."""
