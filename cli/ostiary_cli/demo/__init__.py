"""`ostiary demo`: real parts on loopback, a scripted agent, and a line for each thing it shows."""
