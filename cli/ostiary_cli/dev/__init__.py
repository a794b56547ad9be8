"""What `ostiary dev` adds around the ordinary proxy."""
