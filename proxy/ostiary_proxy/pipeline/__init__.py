"""The straight way in (handle) and the straight way out (relay), one step a module."""
