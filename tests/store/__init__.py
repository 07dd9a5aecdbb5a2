"""The store in a file against what happens to files: kills, cuts, full and broken disks, copies."""
