"""Read run folders, write tables and pages. Knows files only: nothing here trains, evaluates or asks."""
