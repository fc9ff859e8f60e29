"""Publishing to the model store in S3: immutable versions and movable pointers."""
