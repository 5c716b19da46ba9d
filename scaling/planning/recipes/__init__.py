"""From a budget to a whole recipe: what every line rests on, and what its rivals say."""
