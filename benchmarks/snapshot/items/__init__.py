"""What is recorded, a file for each room of the package."""
