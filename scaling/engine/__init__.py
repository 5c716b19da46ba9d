"""Fit any law globally: starts, losses, solver, uncertainty, verdict. Plain numbers; it knows no law.

Short names, here and in the rooms above:

t, theta      parameters as the solver sees them (see `coordinates`), and in the paper's units
y, r          the losses in the objective's units (logarithms for log_*), and residuals
J, g, H, D    Jacobian, gradient, Hessian, and the matrix that damps it
n, p, B, F    rows, free parameters, problems solved side by side, fits of one law to parts of the rows
made, few     the Design that is fitted, and one thinned for the search
o             ln of what rows are ordered by, towards the target
"""
