"""The control plane: what the cluster holds becomes one World, its plan becomes objects and pushes.

All I/O of the operator is here; what is decided is decided in `ostiary.translate`. This folder's
parent is a plain folder and must stay one: a package named `operator` would shadow the standard
module.
"""
