"""A store of several stores: each tenant lives whole on one of them."""
