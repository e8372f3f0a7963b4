"""The only writers. Entry points (sockets, views, commands, tasks) parse, call one and answer."""
