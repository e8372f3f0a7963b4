"""Three web processes behind the gateway, under load: how sockets spread, what a restart costs."""
