"""The Lua scripts of the room log."""

from pathlib import Path

from chat.servers.lua import Script

_FOLDER = Path(__file__).parent

APPEND = Script(_FOLDER / "append.lua")
BEGIN_EPOCH = Script(_FOLDER / "begin_epoch.lua")
CHANGED = Script(_FOLDER / "changed.lua")
FORGET = Script(_FOLDER / "forget.lua")
FORGET_PEOPLE = Script(_FOLDER / "forget_people.lua")
LOAD = Script(_FOLDER / "load.lua")
RAISE_EPOCH = Script(_FOLDER / "raise_epoch.lua")
RESTRICT_PEOPLE = Script(_FOLDER / "restrict_people.lua")
STORED = Script(_FOLDER / "stored.lua")
UNLOAD = Script(_FOLDER / "unload.lua")
