"""The log read again."""
