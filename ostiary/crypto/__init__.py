"""Keys, tokens and seals.

One door each, newest key first to sign or seal, any key to verify or open.
"""
