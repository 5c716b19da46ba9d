"""From a table or Runs to the rows a law sees: inputs, bins, selection, order, cuts."""
