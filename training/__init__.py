"""The model lifecycle: trips ▸ pipeline ▸ MLflow's registry ▸ the model store in S3."""
