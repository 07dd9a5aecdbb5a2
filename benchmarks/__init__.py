"""What perdure costs, measured beside its peers and beside the bare disk."""
