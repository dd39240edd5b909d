"""Contents of The Stack v2's blobs: where they are stored, how they are fetched, and how their bytes become text."""
