"""What forecasts are held to."""

Bar = tuple[str, str, str, bool]  # what is measured, the bar, the number, met?
