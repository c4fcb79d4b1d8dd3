"""Other servers that Eligo asks: registers of trials."""
