"""The built-in tools of an agent that works on code: read, write, edit, glob, grep and shell."""
