"""What only notebooks and pages need."""
