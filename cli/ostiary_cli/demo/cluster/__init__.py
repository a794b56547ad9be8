"""The demo in a Kubernetes cluster that has the images: three teams, their objects, real pods."""
