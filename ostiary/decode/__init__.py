"""Strict reading of what people and machines hand us: every fault at once, each with its path."""
