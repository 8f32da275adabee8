"""What emits vector code, and the kernels made of it."""
