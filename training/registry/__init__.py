"""MLflow's registry: versions, the aliases that name them, and what each version carries."""
