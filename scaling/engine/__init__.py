"""Fit any law globally: starts, losses, solver, uncertainty, verdict. Plain numbers; it knows no law."""
