"""The faces: they parse, call one workflow, render, and choose the exit code. They decide nothing."""
