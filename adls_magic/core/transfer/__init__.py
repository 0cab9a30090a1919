"""Uploads: what is read, how it is cut and sent, how it appears at its target."""
