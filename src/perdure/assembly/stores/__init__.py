"""Where stores are, as people write it, and what is done with whole stores: opened, copied, followed, released."""
