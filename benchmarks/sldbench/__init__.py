"""The public tables of scaling-law benchmarks, one law each, published numbers beside ours."""
