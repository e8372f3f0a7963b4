"""The checks, without any server: what they compare is given to them. Pure."""
