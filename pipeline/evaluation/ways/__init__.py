"""Long scenes by every way to make them, against one another."""
