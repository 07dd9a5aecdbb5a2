"""Tools as their authors declare them."""
