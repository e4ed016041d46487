"""uvicorn, with the limits on connections, heads and bodies that it lacks."""
