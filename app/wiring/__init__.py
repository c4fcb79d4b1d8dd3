"""Parts that `main` puts together, each made of the settings."""
