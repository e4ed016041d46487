"""What every child of a CartService should be: pure builders, one file per child."""
