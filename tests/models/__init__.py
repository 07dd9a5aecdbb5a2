"""Models, asked through the real SDKs over real sockets."""
