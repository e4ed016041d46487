"""What the cart API costs: a tutorial-style service, the product and pgbench, side by side."""
