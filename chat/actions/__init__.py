"""The only writers. Doors (sockets, views, commands, tasks) parse, call one of these and answer."""
