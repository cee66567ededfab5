"""The one page: the map at a glance, its numbers, and whether they can be trusted."""
