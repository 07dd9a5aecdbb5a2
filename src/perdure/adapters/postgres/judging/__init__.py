"""What one transaction sees of runs, events and claims, and judges a batch by."""
