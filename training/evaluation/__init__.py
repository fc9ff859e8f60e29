"""How good a model is: trips and predicted minutes in; figures, verdicts and pages out.

Nothing here reads a file or knows MLflow: what it gives is the caller's to log.
"""
