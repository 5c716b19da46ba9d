"""The laws: one paper, one file. Each module registers its laws; `scaling.laws` is the mapping of all."""
