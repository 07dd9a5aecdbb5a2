"""What changes the store: the one writer with its group commits, and small changes of runs and inboxes."""
