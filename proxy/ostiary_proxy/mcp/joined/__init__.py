"""What several servers say as one would say it, and what is said to one as each of them takes it.

Pure: values in, values out.
"""
