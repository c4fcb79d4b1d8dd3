"""Everything that reads what others wrote, against input that nobody would write."""
