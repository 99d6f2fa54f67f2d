"""One file per version of the schema, never changed once released."""
