"""The pure heart of Ostiary: values in, values out.

No I/O, no clock, no randomness of its own, no async: `now` and `entropy` are arguments.
Layers, top to bottom: translate > resources > config > policy > decode | crypto.
"""

__version__ = "0.1.0"
