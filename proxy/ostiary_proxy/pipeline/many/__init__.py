"""Several servers behind one route: to the rest of the pipeline they look like one."""
