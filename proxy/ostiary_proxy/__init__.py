"""The data plane: one straight way in (`pipeline.handle`), one straight way out (`pipeline.relay`).

Layers, top to bottom:
edge > reload > runtime > pipeline > oauth | upstream > outbound | audit | store > mcp.
At the bottom beside mcp stand the values that all of them share: `wire`, `identity`, `refused`.
"""
