"""Floor 3: a workspace as a tree of content. Pure: comparing, planning, merging; nothing here touches a disk."""
