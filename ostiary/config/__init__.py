"""The document that control plane and data plane agree on: one bundle per gateway."""
