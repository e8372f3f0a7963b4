"""All of Veche on one machine: embedded servers and the supervisor behind `make run`.

For development, tests and small private use. Production runs the real servers, see
docker-compose.yml. Imports nothing from `chat`: it only starts programs.
"""
