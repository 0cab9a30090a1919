"""The service: how requests are signed, sent, tried again and understood."""
