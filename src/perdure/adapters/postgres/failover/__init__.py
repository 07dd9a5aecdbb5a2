"""Which server counts, and what one that took over may lack."""
