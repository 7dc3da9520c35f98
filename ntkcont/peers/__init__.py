"""Other programs run on the same problem, in processes of their own, and compared with this one."""
