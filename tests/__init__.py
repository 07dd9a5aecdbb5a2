"""Every test is a sentence about what holds; the folders are the rooms they speak of."""
