"""Questions with known answers, asked of an explorer and scored."""
