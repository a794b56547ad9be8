"""The audit log: records, the hash chain, checkpoints kept elsewhere, the offline verifier."""
