"""Plan sheets as PDF: orthophoto, damage and quantities at a printed scale."""
