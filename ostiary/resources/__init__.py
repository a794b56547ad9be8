"""The three kinds as models, CRDs generated from them, and manifests read into them."""
