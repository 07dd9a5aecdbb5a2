"""What the processes that share a database know of one another and of the runs that wait for one."""
