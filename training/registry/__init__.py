"""MLflow's registry: versions, their aliases and their artifacts."""
