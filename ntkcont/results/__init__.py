"""What a continuation returns: data, views and files; no algorithms."""
