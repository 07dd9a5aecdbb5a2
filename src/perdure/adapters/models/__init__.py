"""Models behind one port: the official SDKs of the providers, and a small one on this machine."""
