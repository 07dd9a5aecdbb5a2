"""Services that can be frozen into an image and thawed again, by CRIU: level L2 of the ladder."""
