"""Pages that show what happened: figures and reports that open offline."""
