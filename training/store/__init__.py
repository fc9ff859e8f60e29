"""The publisher's end of the model store in S3: versions that never change, pointers that move."""
