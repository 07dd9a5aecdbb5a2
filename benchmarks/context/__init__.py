"""The policy lab: recorded sessions played again under policies, caches and bounds."""
