"""HTTP: routes, bodies, errors to status. Translation, and no decisions."""
