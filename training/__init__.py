"""The life of a model: trips ▸ pipeline ▸ MLflow's registry ▸ the model store in S3."""
