"""What lists of items are judged by."""
