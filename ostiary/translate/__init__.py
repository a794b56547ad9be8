"""The whole translation, pure: world in; bundle, objects and statuses out."""
