"""What should change: decisions, strategies, plans, backups, guards. Pure: no clock, no files, no AWS."""
