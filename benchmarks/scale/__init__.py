"""What many CartServices cost the operator and the API server."""
