"""Fast functions of raw arrays, used by the nodes."""
